"""Webhooks, and the messages owed to them."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add tables, columns, triggers and grants."""
    run_script(Path(__file__).with_suffix(".sql"))
