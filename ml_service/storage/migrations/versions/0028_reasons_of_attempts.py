"""Why an attempt to deliver a message failed, as a code."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    """Add two columns."""
    run_script(Path(__file__).with_suffix(".sql"))
