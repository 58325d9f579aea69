"""Predictions are no longer looked up by their batch alone."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    """Drop the index of ``batch_id``."""
    run_script(Path(__file__).with_suffix(".sql"))
