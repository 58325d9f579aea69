"""Statements of one kind of movement read only these."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    """Add an index."""
    run_script(Path(__file__).with_suffix(".sql"))
