"""The ledger names no Telegram chat: what it says of a movement outlives the account."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    """Take the numbers of chats out of the reasons of transfers."""
    run_script(Path(__file__).with_suffix(".sql"))
