"""The app writes deliveries: answers to requests by the API reach the joined chats."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Grant two rights; takes no time."""
    run_script(Path(__file__).with_suffix(".sql"))
