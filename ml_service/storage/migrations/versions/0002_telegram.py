"""The Telegram bot: its chats, what it received, what it owes."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the bot's tables and its role; the SQL stands beside this file."""
    run_script(Path(__file__).with_suffix(".sql"))
