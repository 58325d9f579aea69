"""Leader election: of all processes that offer the same duties, one does them and the others stand by.

The election is a session advisory lock of PostgreSQL. The lock lives as long as the leader's connection, so a leader
that is killed, or loses the database, is replaced within about a second.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import structlog

from ml_service.domain.errors import DatabaseUnavailable, Unavailable
from ml_service.storage.database import Database, Session

log = structlog.get_logger()

APP_DUTIES_LOCK = 780
"""Key of the advisory lock for the duties of app processes; the bot's duties have a key of their own."""
STANDBY_S = 1.0
"""Seconds between two attempts to become the leader, and between two checks that the lock is still held."""


@dataclass(frozen=True, slots=True)
class Duty:
    """Work that the leader repeats.

    Attributes:
        name: What log lines call it.
        work: Runs once; when it raises `Unavailable`, it is tried again after ``interval_s``.
        interval_s: Seconds of rest between two runs.
    """

    name: str
    work: Callable[[], Awaitable[None]]
    interval_s: float


class Leader:
    """Takes part in the election and does the duties while it leads.

    An error of a duty is logged, ends this term, and the next election follows.

    Args:
        database: Its timeout bounds the connection attempts.
        database_url: For the connection that holds the lock.
        lock_key: The advisory lock; processes with the same key compete.
        duties: What the leader does.
        on_elected: Called at the beginning of each term, before the duties.

    Attributes:
        is_leading: Whether this process is the leader now.
    """

    def __init__(
        self,
        database: Database,
        database_url: str,
        *,
        lock_key: int,
        duties: Sequence[Duty],
        on_elected: Callable[[], None] | None = None,
    ) -> None:
        self._database = database
        self._database_url = database_url
        self._lock_key = lock_key
        self._duties = duties
        self._on_elected = on_elected
        self._task: asyncio.Task[None] | None = None
        self.is_leading = False

    async def start(self) -> None:
        """Take part from now on, in the background; returns at once."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, and let another process take over."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                async with self._database.own_connection(
                    self._database_url, "ml-service leader election"
                ) as connection:
                    await self._await_election(connection)
                    log.info("leader_elected", duties=[duty.name for duty in self._duties])
                    await self._lead(connection)
            except DatabaseUnavailable:
                pass  # every other part logs this already
            except Exception as error:  # noqa: BLE001  a lost connection raises many types, and the duties must go on
                log.warning("leader_interrupted", error=repr(error))
            finally:
                self.is_leading = False
            await asyncio.sleep(STANDBY_S)

    async def _await_election(self, connection: Session) -> None:
        # Polling on one connection: the end of another process's session is no event that we could wait for.
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", self._lock_key):  # noqa: ASYNC110
            await asyncio.sleep(STANDBY_S)

    async def _lead(self, connection: Session) -> None:
        self.is_leading = True
        if self._on_elected is not None:
            self._on_elected()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_lock(connection))
            for duty in self._duties:
                group.create_task(self._repeat(duty))

    async def _watch_lock(self, connection: Session) -> NoReturn:
        while True:
            await asyncio.sleep(STANDBY_S)
            await connection.execute("SELECT")  # the lock is lost with the connection

    async def _repeat(self, duty: Duty) -> NoReturn:
        while True:
            try:
                await duty.work()
            except Unavailable as error:
                log.debug("duty_postponed", duty=duty.name, error=error.message)
            await asyncio.sleep(duty.interval_s)
