"""Which version of the schema there is, and which this code expects; without Alembic, which takes seconds to import."""

from __future__ import annotations

import asyncpg

from ml_service.platform import migration_files


def known() -> list[str]:
    """All revisions, the oldest first."""
    return migration_files.revisions()


def expected() -> str:
    """The newest revision."""
    return known()[-1]


async def current(database_url: str, timeout_s: float = 10) -> str | None:
    """The revision of the database at ``database_url``; None where it has no schema yet.

    Raises:
        What asyncpg and the network raise; see `database.UNAVAILABLE`.
    """
    connection = await asyncpg.connect(database_url, timeout=timeout_s, command_timeout=timeout_s)
    try:
        if await connection.fetchval("SELECT to_regclass('alembic_version') IS NULL"):
            return None
        found: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
        return found
    finally:
        await connection.close(timeout=timeout_s)
