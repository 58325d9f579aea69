"""Room in pages, and how often PostgreSQL clears and samples: a prediction costs the same when millions lie there."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Change settings of two tables; takes no time however big they are."""
    run_script(Path(__file__).with_suffix(".sql"))
