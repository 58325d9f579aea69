"""Leader election: of all processes that offer the same duties, one does them and the others stand by.

The election is a session advisory lock of PostgreSQL. The lock lives as long as the leader's connection, so a leader
that is killed, or loses the database, is replaced within about a second. One that is frozen keeps its connection, and
says nothing more on it: the others have the server end it.
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
FROZEN_S = 15.0
"""A leader that has not looked after its lock for so long is frozen, and is replaced."""
FAILED_S = 1.0
"""A duty that failed rests at least so many seconds: some run ten times a second, and each failure logs a traceback."""


# A lock of one number has 1 as its `objsubid`. Who holds it has our role, so that we may end its connection.
_END_FROZEN = """
    SELECT a.pid, pg_terminate_backend(a.pid) FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid
    WHERE l.locktype = 'advisory' AND l.classid = 0 AND l.objid = $1 AND l.objsubid = 1 AND l.granted
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND a.usename = current_user AND a.state = 'idle' AND a.state_change < now() - $2 * interval '1 second'
"""


@dataclass(frozen=True, slots=True)
class Duty:
    """Work that the leader repeats.

    Attributes:
        name: What log lines call it.
        work: Runs once; when it raises, it is tried again after ``interval_s``, and the other duties go on.
        interval_s: Seconds of rest between two runs.
    """

    name: str
    work: Callable[[], Awaitable[object]]
    interval_s: float


class Leader:
    """Takes part in the election and does the duties while it leads.

    A term ends with the connection that holds the lock, and the next election follows; an error of a duty ends nothing.

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
        self._is_closing = False
        self.is_leading = False

    async def start(self) -> None:
        """Take part from now on, in the background; returns at once."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, and let another process take over."""
        self._is_closing = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                async with self._database.own_connection(
                    self._database_url, "ml-service leader election", is_kept_alive=True
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
            if self._is_closing:
                return  # Python 3.11: a TaskGroup that ends by an error forgets that it was cancelled meanwhile
            await asyncio.sleep(STANDBY_S)

    async def _await_election(self, connection: Session) -> None:
        # Polling on one connection: the end of another process's session is no event that we could wait for.
        while not await connection.fetchval("SELECT pg_try_advisory_lock($1)", self._lock_key):
            if ended := await connection.fetch(_END_FROZEN, self._lock_key, FROZEN_S):
                log.warning("leader_frozen", connections=[row["pid"] for row in ended], silent_s_min=FROZEN_S)
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
            except Exception:
                log.exception("duty_failed", duty=duty.name)
                await asyncio.sleep(max(0.0, FAILED_S - duty.interval_s))
            await asyncio.sleep(duty.interval_s)
