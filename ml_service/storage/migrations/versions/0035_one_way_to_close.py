"""An account of a chat is deleted as thoroughly as any other."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    """Make the function that closes accounts, and close what is half open."""
    run_script(Path(__file__).with_suffix(".sql"))
