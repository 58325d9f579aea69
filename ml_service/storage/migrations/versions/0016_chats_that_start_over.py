"""Chats that start over: the account that the bot made for one can be closed by the bot."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add a function and a grant."""
    run_script(Path(__file__).with_suffix(".sql"))
