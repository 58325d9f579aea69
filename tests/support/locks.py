"""Who holds or waits for a lock: in the test's own database, for others' systems share its server."""

from __future__ import annotations

import asyncio

import asyncpg

from tests.support.waiting import PATIENCE_S

HOLDERS = """
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
"""Of an advisory lock, by its key."""
END_HOLDERS = f"SELECT pg_terminate_backend(pid) FROM ({HOLDERS}) AS holder"
WAITERS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def until_one_waits(database_url: str) -> None:
    """Wait until a statement waits for another transaction's lock."""
    connection = await asyncpg.connect(database_url, timeout=PATIENCE_S)
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await connection.fetchval(WAITERS):
                await asyncio.sleep(0.01)
    finally:
        await connection.close()
