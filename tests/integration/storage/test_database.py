"""The pool: bounded waits, whole transactions, nothing left open."""

from __future__ import annotations

import asyncio
import time

import asyncpg
import pytest

from engine.native.postgres import PostgresNode
from ml_service.domain.errors import DatabaseUnavailable
from ml_service.storage import database as module
from ml_service.storage import revision
from ml_service.storage.database import Database
from ml_service.storage.schema import newest_revision


async def test_an_exception_in_a_transaction_rolls_it_back_and_keeps_the_connection(database: Database) -> None:
    with pytest.raises(KeyError):
        async with database.begin() as session:
            await session.execute("INSERT INTO rate_limits VALUES ('k', 1, now())")
            raise KeyError
    async with database.autocommit() as session:
        assert await session.fetchval("SELECT count(*) FROM rate_limits") == 0
        assert await session.fetchval("SELECT pg_current_xact_id_if_assigned() IS NULL")


async def test_a_server_that_freezes_in_a_transaction_times_out_and_is_used_again_later(
    postgres_node: PostgresNode, database_url: str
) -> None:
    database = await Database.connect(database_url, name="test", timeout_s=1.0)
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        async with database.begin() as session:
            await session.execute("SELECT 1")
            postgres_node.freeze()
            await session.execute("SELECT 1")
    took_s = time.monotonic() - began
    postgres_node.resume()
    assert took_s < 4, "one timeout and the release of the connection, with room for a busy machine"
    async with asyncio.timeout(20):
        while True:
            try:
                async with database.begin() as session:
                    assert await session.fetchval("SELECT 1") == 1
                break
            except DatabaseUnavailable:
                continue
    await database.close()


async def test_connections_that_a_burst_has_opened_are_closed_when_nobody_needs_them(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "IDLE_S", 2.0)
    database = await Database.connect(database_url, name="burst", timeout_s=5)

    async def hold() -> None:
        async with database.autocommit() as session:
            await session.execute("SELECT pg_sleep(0.1)")

    async def count() -> int:
        async with database.autocommit() as session:
            return int(await session.fetchval("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'burst'"))

    await asyncio.gather(*(hold() for _ in range(5)))
    assert await count() > 1
    async with asyncio.timeout(10):
        while await count() > 1:
            await asyncio.sleep(0.1)
    await database.close()


async def test_a_cancelled_caller_leaves_no_transaction_behind(database: Database) -> None:
    async def hold() -> None:
        async with database.begin() as session:
            await session.execute("INSERT INTO rate_limits VALUES ('k', 1, now())")
            await asyncio.sleep(60)

    callers = [asyncio.create_task(hold()) for _ in range(5)]
    await asyncio.sleep(0.3)
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    async with asyncio.timeout(10), database.autocommit() as session:
        while await session.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE state LIKE 'idle in transaction%' AND datname = current_database()"
        ):
            await asyncio.sleep(0.05)
        assert await session.fetchval("SELECT count(*) FROM rate_limits") == 0


async def test_a_connection_that_is_used_wrongly_is_a_bug_and_no_outage(database: Database) -> None:
    with pytest.raises(asyncpg.InterfaceError):
        async with database.autocommit() as session:
            reading = asyncio.create_task(session.fetch("SELECT pg_sleep(0.2)"))
            await asyncio.sleep(0.05)
            try:
                await session.fetch("SELECT 1")  # another operation is in progress
            finally:
                await reading
    for statement, error in (
        ("SELECT FROM nothing_of_this_name", asyncpg.UndefinedTableError),
        ("SELECT nothing_of_this_name", asyncpg.UndefinedColumnError),
        ("SELEKT 1", asyncpg.PostgresSyntaxError),
    ):
        with pytest.raises(error):
            async with database.autocommit() as session:
                await session.fetch(statement)
    with pytest.raises(asyncpg.DataError):
        async with database.autocommit() as session:
            await session.fetch("SELECT $1::int", "no number")
    async with database.autocommit() as session:
        assert await session.fetchval("SELECT 1") == 1


async def test_a_session_that_outlives_its_block_is_a_bug_and_no_outage(database: Database) -> None:
    for block in (database.begin, database.autocommit):
        async with block() as kept:
            pass
        with pytest.raises(asyncpg.InterfaceError, match="released back to the pool"):
            async with database.begin() as session:
                await session.execute("SELECT 1")
                await kept.fetch("SELECT 1")
        async with database.autocommit() as session:
            assert await session.fetchval("SELECT 1") == 1


async def test_the_newest_version_by_name_is_alembics_head(database_url: str) -> None:
    assert revision.expected() == newest_revision()
    assert await revision.current(database_url) == newest_revision()


@pytest.mark.parametrize("kind", ["begin", "autocommit"])
@pytest.mark.parametrize("idle_s", [0, 0.5], ids=["statement at once", "statement after the pool has noticed"])
async def test_a_session_that_an_administrator_kills_is_an_unavailable_database_and_no_bug(
    database: Database, database_url: str, kind: str, idle_s: float
) -> None:
    other = await Database.connect(database_url, name="administrator")

    async def kill(pid: int) -> None:
        async with other.autocommit() as session:
            await session.execute("SELECT pg_terminate_backend($1, 5000)", pid)

    with pytest.raises(DatabaseUnavailable):
        async with getattr(database, kind)() as session:
            await kill(await session.fetchval("SELECT pg_backend_pid()"))
            await asyncio.sleep(idle_s)
            await session.execute("SELECT 1")
    async with database.autocommit() as session:
        assert await session.fetchval("SELECT 1") == 1
    await other.close()
