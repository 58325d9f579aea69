"""A submission by an API key without bounds needs one look at its token."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    """Add three columns, and the triggers that keep them."""
    run_script(Path(__file__).with_suffix(".sql"))
