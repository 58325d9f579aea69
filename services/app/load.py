"""How busy the service is, looked at every second: refuses new work when too much waits, and feeds the metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from ml_service.domain.errors import Overloaded, Unavailable
from ml_service.domain.models import DEFAULT_POOL
from ml_service.messaging.queue import Queue, QueueDepth
from ml_service.storage.database import Database
from ml_service.usecases.workers import Overview, overview

log = structlog.get_logger()

LOOK_S = 1.0
REST = 20
"""After a look that took t seconds, rest at least REST × t: counting a long backlog never costs more than 5 %."""


class Load:
    """Keeps an estimate of what waits, at the most some seconds old.

    Args:
        open_max: Unfinished predictions of everybody together, beyond which nothing is accepted.
        pools: Gives the pools whose queues are looked at, besides the default one.
    """

    def __init__(self, database: Database, queue: Queue, *, open_max: int, pools: Callable[[], set[str]]) -> None:
        self._database = database
        self._queue = queue
        self._open_max = open_max
        self._pools = pools
        self._task: asyncio.Task[None] | None = None
        self._accepted_since = 0
        self.seen: Overview | None = None
        self.depths: dict[str, QueueDepth] = {}

    async def start(self) -> None:
        """Begin to look; does not wait."""
        self._task = asyncio.create_task(self._look_again())

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def admit(self, count: int) -> None:
        """Let ``count`` predictions in; raises Overloaded where too many wait already."""
        known = 0 if self.seen is None else self.seen.open
        if known + self._accepted_since + count > self._open_max:
            raise Overloaded("Too many predictions are waiting; try again in a while.", retry_after_s=5.0)

    def accepted(self, count: int) -> None:
        """Count what was accepted since the last look."""
        self._accepted_since += count

    async def look(self) -> None:
        """Look now; raises DatabaseUnavailable, QueueUnavailable."""
        before = self._accepted_since
        async with self._database.autocommit() as session:
            self.seen = await overview(session)
        self._accepted_since -= before
        self.depths = {pool: await self._queue.depth(pool) for pool in {DEFAULT_POOL, *self._pools()}}

    async def _look_again(self) -> None:
        while True:
            started = time.monotonic()
            try:
                await self.look()
            except Unavailable as error:
                log.debug("load_unknown", error=error.message)
            except Exception:
                log.exception("load_unknown")
            await asyncio.sleep(max(LOOK_S, REST * (time.monotonic() - started)))
