"""The roles viewer and support, and a last admin that stays."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0026"
down_revision = "0023"


def upgrade() -> None:
    """Add a column, a trigger and indexes."""
    run_script(Path(__file__).with_suffix(".sql"))
