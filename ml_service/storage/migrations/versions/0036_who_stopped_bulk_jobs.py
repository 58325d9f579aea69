"""The ledger names who canceled a bulk job, for each of its lines."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    """Add two columns."""
    run_script(Path(__file__).with_suffix(".sql"))
