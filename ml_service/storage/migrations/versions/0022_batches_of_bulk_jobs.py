"""Bulk jobs are batches, too: their predictions are found and shown together."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Add a grant."""
    run_script(Path(__file__).with_suffix(".sql"))
