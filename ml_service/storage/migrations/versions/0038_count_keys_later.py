"""What a key without a cap spends is counted after its requests, from the ledger."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    """Add how far a key is counted, and the functions that count."""
    run_script(Path(__file__).with_suffix(".sql"))
