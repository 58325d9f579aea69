"""Actions of admins, blocked users, models that are switched off."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add a table, two columns and an index over the users' names; a second for a million users."""
    run_script(Path(__file__).with_suffix(".sql"))
