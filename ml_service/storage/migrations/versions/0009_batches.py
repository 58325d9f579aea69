"""Batches as rows."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the table, with a row for each batch that there is."""
    run_script(Path(__file__).with_suffix(".sql"))
