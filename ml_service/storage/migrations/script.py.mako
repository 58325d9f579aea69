"""${message}."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "${up_revision}"
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """${message}; the SQL stands beside this file."""
    run_script(Path(__file__).with_suffix(".sql"))
