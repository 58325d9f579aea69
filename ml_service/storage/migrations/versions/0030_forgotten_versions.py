"""Versions that an operator has taken out of the list."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Add a column."""
    run_script(Path(__file__).with_suffix(".sql"))
