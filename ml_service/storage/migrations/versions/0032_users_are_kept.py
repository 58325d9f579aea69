"""Users are never deleted, which a foreign key checked for each prediction."""

from __future__ import annotations

from pathlib import Path

from ml_service.storage.migrations.script import run_script

revision = "0032"
down_revision = "0031"


def upgrade() -> None:
    """Refuse to delete users, and drop the keys."""
    run_script(Path(__file__).with_suffix(".sql"))
