"""Restarts of a model, asked of its workers."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add a column that is empty; takes no time."""
    run_script(Path(__file__).with_suffix(".sql"))
