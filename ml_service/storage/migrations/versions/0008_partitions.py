"""Predictions in partitions by time, which retention drops; texts may be erased earlier."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the table of today the first partition; reads it once, some seconds for each ten million rows."""
    run_script(Path(__file__).with_suffix(".sql"))
