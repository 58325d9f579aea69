"""API keys: the keys, their tokens, and which predictions were asked for with them."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Add two tables and a column."""
    run_script(Path(__file__).with_suffix(".sql"))
