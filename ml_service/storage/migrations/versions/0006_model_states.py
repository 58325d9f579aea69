"""What each model of a worker does: a model that cannot be loaded is shown with its reason."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add a column with a constant default; takes no time."""
    run_script(Path(__file__).with_suffix(".sql"))
