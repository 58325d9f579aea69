"""Takes the tasks of one pool and hands each to the lane of its model's version."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack

import structlog

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.messaging.prefetch import MESSAGES_MAX, Prefetch
from ml_service.messaging.queue import Queue, TaskConsumer, TaskDelivery
from ml_service.storage import model_versions
from ml_service.storage.database import Database
from services.ml_worker.lane import Lane, give_back

log = structlog.get_logger()


class PoolConsumer:
    """A consumer of one pool's queue, and the lanes of the models that it feeds."""

    def __init__(self, pool: str, queue: Queue, database: Database, prefetch_batches: int) -> None:
        self._pool = pool
        self._database = database
        self._queue = queue
        self._batches = prefetch_batches
        self._prefetch = Prefetch(ids_max=0)
        self._lanes: dict[tuple[str, str], Lane] = {}  # by name and version
        self._stack = AsyncExitStack()
        self._dispatching: asyncio.Task[None] | None = None
        self._consumer: TaskConsumer | None = None

    @property
    def consumer(self) -> TaskConsumer:
        """Where the deliveries come from; raises RuntimeError before `start`."""
        if self._consumer is None:
            raise RuntimeError("the consumer has not been started")
        return self._consumer

    async def start(self, batch_size: int) -> None:
        """Begin to take tasks, for a first model of this ``batch_size``; what no lane serves yet waits for a second."""
        self._prefetch = Prefetch(self._batches * batch_size)
        self._consumer = await self._stack.enter_async_context(self._queue.consume_tasks([self._pool], self._prefetch))
        self._dispatching = asyncio.create_task(self._dispatch(self._consumer))

    def add(self, lane: Lane) -> None:
        """Serve one more model's version."""
        self._prefetch.ids_max = max(self._prefetch.ids_max, self._batches * lane.batch_size)
        self._lanes[lane.key] = lane
        lane.start()

    async def remove(self, lane: Lane) -> None:
        """Serve one model's version no longer; what its lane has begun is finished."""
        self._lanes.pop(lane.key, None)
        await lane.drain()

    async def drain(self) -> None:
        """Take no more; finish the batches that have begun and give the rest back."""
        await self.consumer.stop()
        if self._dispatching is not None:
            self._dispatching.cancel()
            await asyncio.gather(self._dispatching, return_exceptions=True)
        await asyncio.gather(*(lane.drain() for lane in self._lanes.values()))

    async def close(self) -> None:
        """Give back what is not acked, and close."""
        await asyncio.gather(*(lane.abort() for lane in self._lanes.values()))
        await self._stack.aclose()

    async def _dispatch(self, consumer: TaskConsumer) -> None:
        while True:
            deliveries = await consumer.get_batch(MESSAGES_MAX, wait_ms=0)
            by_model: defaultdict[tuple[str, str], list[TaskDelivery]] = defaultdict(list)
            for delivery in deliveries:
                by_model[delivery.message.model, delivery.message.version].append(delivery)
            for key, own in by_model.items():
                try:
                    await self._hand(consumer, key, own)
                except Exception:
                    # A bug must not leave the worker deaf while it says that it serves its models.
                    log.exception("tasks_not_handed_on", model=key[0], version=key[1], messages=len(own))
                    await give_back(consumer, own, begun=False)

    async def _hand(self, consumer: TaskConsumer, key: tuple[str, str], own: list[TaskDelivery]) -> None:
        lane = self._lanes.get(key)
        if lane is None or not lane.is_open:
            await self._return(consumer, *key, own)
        elif lane.ids_waiting > 2 * self._prefetch.ids_max:
            # Messages have grown faster than the prefetch shrinks: other workers are to have these.
            log.info("too_much_held", model=key[0], messages=len(own))
            await consumer.requeue(own, begun=False)
        else:
            lane.put(own)

    async def _return(self, consumer: TaskConsumer, model: str, version: str, own: list[TaskDelivery]) -> None:
        """Requeue messages for a worker that serves the version; if there is none, park it and drop them.

        Messages that nobody can work on would circulate and keep the models that are served from their work. The rows
        stay queued, and are sent again once a worker serves the version.
        """
        is_dropped = not version  # from before an upgrade, which has sent everything again
        if not is_dropped:
            try:
                async with self._database.autocommit() as session:
                    is_dropped = await model_versions.park(session, model, version, self._pool)
            except DatabaseUnavailable as error:
                log.warning("database_away", error=error.message)
        log.info("model_not_served", model=model, version=version, messages=len(own), is_parked=is_dropped)
        if is_dropped:
            await consumer.ack(own)
        else:
            await consumer.requeue(own, begun=False)
