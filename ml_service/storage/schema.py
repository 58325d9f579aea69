"""Bring the schema to its newest version."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

MIGRATIONS = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 777
"""The key of the advisory lock that lets one process migrate while others wait."""
_TRIES = 5
"""Two deadlocks in a row have not been seen."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))  # ConfigParser interpolates it
    return config


def newest_revision() -> str:
    """The revision that this code expects."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    if head is None:  # the folder of versions is part of the package
        raise RuntimeError("no migrations found")
    return head


def _upgrade(connection: Connection, revision: str) -> tuple[str | None, str]:
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    before = MigrationContext.configure(connection).get_current_revision()
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
    return before, revision


async def _upgrade_in(engine: AsyncEngine, revision: str) -> tuple[str | None, str]:
    """One try, in a transaction; raises what asyncpg raises, also where SQLAlchemy has wrapped it."""
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(_upgrade, revision)
    except DBAPIError as error:
        cause = error.orig and error.orig.__cause__
        if isinstance(cause, asyncpg.PostgresError):
            raise cause from None
        raise


async def migrate(database_url: str, revision: str | None = None) -> tuple[str | None, str]:
    """Bring the database at ``database_url`` to a later revision (None: the newest), in one transaction.

    Safe to run again and by several processes at once: an advisory lock lets one work while the others wait. PostgreSQL
    may end the transaction because of a deadlock, with an analyze by autovacuum or with the service that still runs:
    nothing has changed then, and it is tried again.

    Returns:
        The revision before (None: an empty database) and after.

    Raises:
        asyncpg.InsufficientPrivilegeError: This role may not change the schema.
    """
    # asyncpg reads the URL here as everywhere else: SQLAlchemy would refuse ?sslmode= and several hosts.
    engine = create_async_engine(
        "postgresql+asyncpg://", poolclass=NullPool, async_creator=lambda: asyncpg.connect(database_url, timeout=10)
    )
    wanted = revision or newest_revision()
    try:
        for _ in range(_TRIES - 1):
            try:
                return await _upgrade_in(engine, wanted)
            except asyncpg.DeadlockDetectedError:
                continue
        return await _upgrade_in(engine, wanted)
    finally:
        await asyncio.shield(engine.dispose())
