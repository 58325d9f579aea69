"""What is deleted from the outbox is looked up by its key, whatever the statistics say."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    """Add the function that deletes what the queue has confirmed."""
    run_script(Path(__file__).with_suffix(".sql"))
