"""Sums of what users have used."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    """Add the tables; the background fills them."""
    run_script(Path(__file__).with_suffix(".sql"))
