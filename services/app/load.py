"""How busy the service is, looked at every second: refuses new work when too much waits, and feeds the metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import structlog

from ml_service.domain.errors import Unavailable
from ml_service.domain.models import DEFAULT_POOL
from ml_service.messaging.queue import Queue, QueueDepth
from ml_service.storage.database import Database
from ml_service.usecases.admission import Admission
from ml_service.usecases.workers import Overview, overview

log = structlog.get_logger()

LOOK_S = 1.0
REST = 20
"""After a look that took t seconds, rest at least REST × t: counting a long backlog never costs more than 5 %."""


class LoadWatch:
    """Keeps an estimate of the open work, at most a few seconds old.

    Args:
        admission: Told how much waits.
        pools: Gives the pools whose queues are looked at, besides the default one.
    """

    def __init__(
        self, database: Database, queue: Queue, *, admission: Admission, pools: Callable[[], set[str]]
    ) -> None:
        self._database = database
        self._queue = queue
        self._admission = admission
        self._pools = pools
        self._task: asyncio.Task[None] | None = None
        self.seen: Overview | None = None
        self.depths: dict[str, QueueDepth] = {}
        self.dead_letters: int | None = None

    async def start(self) -> None:
        """Begin to look; does not wait."""
        self._task = asyncio.create_task(self._look_again())

    async def close(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def look(self) -> None:
        """Look now; raises DatabaseUnavailable, QueueUnavailable."""
        before = self._admission.accepted_since
        async with self._database.autocommit() as session:
            self.seen = await overview(session)
        self._admission.counted(self.seen.open, before)
        self.depths = {pool: await self._queue.depth(pool) for pool in {DEFAULT_POOL, *self._pools()}}
        self.dead_letters = await self._queue.count_dead()

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
