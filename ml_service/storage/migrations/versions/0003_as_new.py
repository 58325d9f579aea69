"""Brings databases of the first days to what 0001 says now: it was changed after some had been made by it.

From here on a migration that has landed is never changed: tests/integration/upgrade holds old databases to new ones.
"""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Recreate the trigger and the index; on a new database that changes nothing."""
    run_script(Path(__file__).with_suffix(".sql"))
