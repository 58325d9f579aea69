"""Accounts that were deleted, and the app's rights to take them out of chats."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Add a table and grants."""
    run_script(Path(__file__).with_suffix(".sql"))
