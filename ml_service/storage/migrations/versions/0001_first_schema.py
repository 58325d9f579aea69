"""The first schema."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table; the SQL stands beside this file."""
    run_script(Path(__file__).with_suffix(".sql"))
