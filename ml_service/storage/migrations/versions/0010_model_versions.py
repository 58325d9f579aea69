"""Models by name and version: immutable schemas, a default per name, and a version on every open prediction."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Split `models` into names and versions; reads `predictions` once."""
    run_script(Path(__file__).with_suffix(".sql"))
