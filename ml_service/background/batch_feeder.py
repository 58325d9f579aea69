"""The batch feeder: predictions of batches wait in the outbox, and are sent to the queue in turns over their users.

It sends only enough to keep the workers busy, so a single prediction, which is sent at once, never queues behind
another user's 100,000.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import structlog

from ml_service.background.feed_window import FeedWindow
from ml_service.background.relay import Relay
from ml_service.domain.errors import DatabaseUnavailable
from ml_service.messaging.queue import Queue
from ml_service.storage import model_versions, outbox, predictions
from ml_service.storage.database import Database, Session
from ml_service.storage.outbox import OutboxEntry

log = structlog.get_logger()

LOOK_S = 0.01
"""Seconds between two looks while predictions of batches are sent and answered. What is on its way between two looks is
what a single prediction may have to wait for."""
LOOK_S_MAX = 0.1
"""Each look that finds nothing new doubles the time until the next, up to this: some batches take that long."""
COUNT_S = 1.0
"""How old the count of workers may be."""


class BatchFeeder:
    """Tops the task queues up with predictions of batches.

    Args:
        batch_size_of: The batch size by a model's name and version.
    """

    def __init__(
        self, database: Database, queue: Queue, relay: Relay, batch_size_of: Callable[[str, str], int]
    ) -> None:
        self._database = database
        self._queue = queue
        self._relay = relay
        self._batch_size_of = batch_size_of
        self._consumers: dict[str, tuple[float, int]] = {}  # by pool, with the time at which they were counted
        self._batch_sizes: dict[str, int] = {}  # by pool
        self._windows: defaultdict[str, FeedWindow] = defaultdict(FeedWindow)  # by pool

    async def feed(self) -> None:
        """Look at each pool and send what its window has room for; repeat while the pools make progress."""
        pause_s = LOOK_S
        while pools := await self._pools():
            pause_s = LOOK_S if await self._look(pools) else 2 * pause_s
            if pause_s > LOOK_S_MAX:
                return  # the duty comes again
            await asyncio.sleep(pause_s)

    async def _pools(self) -> list[str]:
        async with self._database.autocommit() as session:
            return await outbox.bulk_pools(session)

    async def _look(self, pools: Sequence[str]) -> bool:
        """Look at each of these once; returns whether something was sent or has ended."""
        got_on = False
        for pool in pools:
            try:
                got_on = await self._feed_pool(pool) or got_on
            except DatabaseUnavailable as error:  # perhaps only of this pool: what has moved there is being sent again
                log.warning("batches_not_fed", pool=pool, error=error.message)
        return got_on

    async def _consumers_of(self, pool: str) -> int:
        """How many workers take the pool's tasks; counted once a second, for counting may read the whole queue."""
        now_s = asyncio.get_running_loop().time()
        counted_at, consumers = self._consumers.get(pool, (-math.inf, 0))
        if now_s - counted_at >= COUNT_S:
            consumers = (await self._queue.depth(pool)).consumers
            self._consumers[pool] = now_s, consumers
        return consumers

    async def _feed_pool(self, pool: str) -> bool:
        consumers = await self._consumers_of(pool)
        async with self._database.autocommit() as session:
            if pool not in self._batch_sizes and not self._note(pool, await outbox.next_bulk(session, pool, 1)):
                return False
            window, now_s = self._windows[pool], asyncio.get_running_loop().time()
            ended = window.keep(*await predictions.under_way_and_ended(session, window.samples), now_s)
            limit, ids_per_message = window.next(consumers, self._batch_sizes[pool])
            found = await outbox.next_bulk(session, pool, limit) if limit else []
            if limit and not self._note(pool, found):
                return False
            entries = await _without_parked(session, pool, found) if found else []
        if entries:
            await self._relay.send_now(entries, ids_per_message)
            window.sent([entry.id for entry in entries], ids_per_message, now_s)
            log.debug("batches_fed", pool=pool, window=window.size, predictions=len(entries))
        return bool(found) or ended > 0

    def _note(self, pool: str, first: Sequence[OutboxEntry]) -> bool:
        """Note the first model's batch size, for the next look, too: very different models have pools of their own."""
        if first:
            self._batch_sizes[pool] = self._batch_size_of(first[0].model, first[0].version)
        else:
            self._batch_sizes.pop(pool, None)
        return bool(first)


async def _without_parked(session: Session, pool: str, entries: list[OutboxEntry]) -> list[OutboxEntry]:
    """Take what belongs to parked versions out of the outbox: workers would only drop its messages."""
    versions = sorted({(entry.model, entry.version) for entry in entries})
    parked = await model_versions.park_again(session, versions, pool)
    if not parked:
        return entries
    log.info("model_not_served", models=sorted(parked), pool=pool)
    await outbox.delete(session, [entry for entry in entries if (entry.model, entry.version) in parked])
    return [entry for entry in entries if (entry.model, entry.version) not in parked]
