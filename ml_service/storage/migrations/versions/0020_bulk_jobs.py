"""Bulk jobs: files of up to a million lines, their price held at once and moved to predictions as they are fed."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Add two tables, and the ledger's column that names a job."""
    run_script(Path(__file__).with_suffix(".sql"))
