"""Preferences of accounts, what is shown of sign-ins, and which versions of rows a reader has seen."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add a function and columns without a default that rewrites rows."""
    run_script(Path(__file__).with_suffix(".sql"))
