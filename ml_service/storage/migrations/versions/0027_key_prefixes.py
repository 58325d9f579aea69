"""Finding API keys by the beginning of their token."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    """Add an index."""
    run_script(Path(__file__).with_suffix(".sql"))
