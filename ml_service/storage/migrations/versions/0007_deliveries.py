"""Deliveries: messages owed to chats move into one table, which has room for other receivers."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Move what is owed; at most two weeks of it lie there."""
    run_script(Path(__file__).with_suffix(".sql"))
