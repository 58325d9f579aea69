"""The ledger's settlement: actors, refunds, chargebacks, and grants that stay with their account."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Change the ledger's rules; some seconds for each ten million transactions, in which nothing is accepted."""
    run_script(Path(__file__).with_suffix(".sql"))
