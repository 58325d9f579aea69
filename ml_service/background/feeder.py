"""The feeder: predictions of batches wait in the outbox, and are sent to the queue in turns over their users.

Only as many are sent as keep the workers busy. So a single prediction, which is sent at once, never queues behind
another user's 100,000.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable

import structlog

from ml_service.background.feed_window import FeedWindow
from ml_service.background.relay import Relay
from ml_service.messaging.queue import Queue
from ml_service.storage import outbox, predictions
from ml_service.storage.database import Database

log = structlog.get_logger()


class Feeder:
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
        self._windows: defaultdict[str, FeedWindow] = defaultdict(FeedWindow)  # by pool

    async def feed(self) -> None:
        """Look at each pool once, and send what its window has room for."""
        async with self._database.autocommit() as session:
            pools = await outbox.bulk_pools(session)
        for pool in pools:
            await self._feed_pool(pool)

    async def _feed_pool(self, pool: str) -> None:
        depth = await self._queue.depth(pool)
        async with self._database.autocommit() as session:
            # The batch size of the first model decides: very different models belong in separate pools.
            first = await outbox.next_bulk(session, pool, 1)
            if not first:
                return
            window, now_s = self._windows[pool], asyncio.get_running_loop().time()
            window.keep(await predictions.under_way(session, window.samples), now_s)
            batch_size = self._batch_size_of(first[0].model, first[0].version)
            limit, ids_per_message = window.next(now_s, depth.consumers, batch_size)
            entries = await outbox.next_bulk(session, pool, limit) if limit else []
        if entries:
            await self._relay.send_now(entries, ids_per_message)
            window.sent([entry.id for entry in entries], ids_per_message, now_s)
            log.debug("batches_fed", pool=pool, window=window.size, predictions=len(entries))
