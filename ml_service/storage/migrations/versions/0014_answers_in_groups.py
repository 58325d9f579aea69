"""Answers in groups: where one goes that was asked for in a group."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add a column that is empty; takes no time."""
    run_script(Path(__file__).with_suffix(".sql"))
