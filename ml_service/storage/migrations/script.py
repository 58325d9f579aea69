"""Run a whole SQL script inside a migration.

SQLAlchemy's asyncpg dialect prepares each statement and so takes one at a time; asyncpg's own ``execute`` takes a
script. The script runs on the migration's connection and inside its transaction.
"""

from __future__ import annotations

from pathlib import Path

from alembic import op


def run_script(path: Path) -> None:
    """Execute all statements of the file at ``path``; raises what asyncpg raises for the first that fails."""
    script = path.read_text(encoding="utf-8")
    adapted = op.get_bind().connection.dbapi_connection
    if adapted is None:  # only a detached connection has none
        raise RuntimeError("a migration needs a live connection")
    adapted.run_async(lambda connection: connection.execute(script))
