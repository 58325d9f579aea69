"""Takes the tasks of one pool and hands each to its model's lane."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import AsyncExitStack

import structlog

from ml_service.messaging.prefetch import MESSAGES_MAX, Prefetch
from ml_service.messaging.queue import Queue, TaskConsumer, TaskDelivery
from services.ml_worker.lane import Lane

log = structlog.get_logger()


class PoolConsumer:
    """A consumer of one pool's queue, and the lanes of the models that it feeds."""

    def __init__(self, pool: str, queue: Queue, prefetch_batches: int) -> None:
        self._pool = pool
        self._queue = queue
        self._batches = prefetch_batches
        self._prefetch = Prefetch(ids_max=0)
        self._lanes: dict[str, Lane] = {}
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
        """Serve one more model."""
        self._prefetch.ids_max = max(self._prefetch.ids_max, self._batches * lane.batch_size)
        self._lanes[lane.model] = lane
        lane.start()

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
            by_model: defaultdict[str, list[TaskDelivery]] = defaultdict(list)
            for delivery in deliveries:
                by_model[delivery.message.model].append(delivery)
            for model, own in by_model.items():
                lane = self._lanes.get(model)
                if lane is None or not lane.is_open:
                    # Holding them here would keep the models that are ready from their work.
                    log.info("model_not_ready", model=model, messages=len(own))
                    await consumer.requeue(own)
                elif lane.ids_waiting > 2 * self._prefetch.ids_max:
                    # Messages have grown faster than the prefetch shrinks: other workers are to have these.
                    log.info("too_much_held", model=model, messages=len(own))
                    await consumer.requeue(own)
                else:
                    lane.put(own)
