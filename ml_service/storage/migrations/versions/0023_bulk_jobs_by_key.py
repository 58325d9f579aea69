"""Bulk jobs by API keys, within their spend caps."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    """Add a column."""
    run_script(Path(__file__).with_suffix(".sql"))
