"""Which bot processes are here: what one that is gone had taken is freed soon, and what others work on never is.

Each process holds one advisory lock, shared, from its start until it has finished its last update: a leader that stops,
or has lost its connection, still works on what it took. Who can have the lock alone is alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.storage import chat_deliveries, updates
from ml_service.storage.database import Session
from services.bot.deps import Deps

log = structlog.get_logger()

PRESENCE_LOCK = 788
"""Key of the advisory lock that all bot processes share."""
LOOK_S = 1.0
ALONE_S = 3.0
"""So long, and as long as a connection may take, a process is alone before the others count as gone: one that has lost
its connection comes back sooner."""


class BotPresence:
    """Says that this process is here, and frees what others have left behind.

    Args:
        renew: Renews the leases of this process. Only older ones are freed.
    """

    def __init__(self, deps: Deps, renew: Callable[[], Awaitable[None]]) -> None:
        self._deps = deps
        self._renew = renew
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin, in the background; does not wait for the database."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Be here no longer."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        database, url = self._deps.database, self._deps.settings.database_url
        while True:
            try:
                async with database.own_connection(url, "ml-service bot presence", is_kept_alive=True) as connection:
                    await connection.execute("SELECT pg_advisory_lock_shared($1)", PRESENCE_LOCK)
                    await self._look(connection)
            except DatabaseUnavailable:
                pass  # every other part logs this already
            except Exception as error:  # noqa: BLE001  a lost connection raises many types
                log.debug("presence_interrupted", error=repr(error))
            await asyncio.sleep(LOOK_S)

    async def _look(self, connection: Session) -> None:
        clock = asyncio.get_running_loop().time
        alone_s = ALONE_S + self._deps.database.timeout_s
        alone_since: datetime | None = None  # on the database's clock, as leases are
        began, has_freed = clock(), False
        while True:
            if not await _is_alone(connection):
                alone_since, has_freed = None, False
            elif alone_since is None:
                alone_since, began = await connection.fetchval("SELECT clock_timestamp()"), clock()
            elif not has_freed and clock() - began >= alone_s:
                await self._renew()
                await updates.forget_leases(connection, self._deps.bot_id, alone_since)
                await chat_deliveries.forget_leases(connection, alone_since)
                has_freed = True
                self._deps.arrived.set()
                self._deps.answered.set()
            await asyncio.sleep(LOOK_S)


async def _is_alone(connection: Session) -> bool:
    """Whether no other process holds the lock; it is held alone for no longer than this statement takes."""
    return bool(
        await connection.fetchval(
            "SELECT CASE WHEN pg_try_advisory_lock($1) THEN pg_advisory_unlock($1) ELSE false END", PRESENCE_LOCK
        )
    )
