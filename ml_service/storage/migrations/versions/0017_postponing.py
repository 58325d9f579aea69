"""Postponing: a model may ask for a later attempt."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Grant what the worker needs; takes no time."""
    run_script(Path(__file__).with_suffix(".sql"))
