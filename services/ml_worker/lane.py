"""The way of one model's predictions through a worker: gather, claim, predict, finish, announce, ack.

A lane has a few slots. While the model computes one slot's batch, another slot claims the next and the others finish
the last ones, so that the model never waits for the database. The next batch is put together as late as that allows:
whoever comes meanwhile is part of it. Every cost but the model's own is paid once per batch.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from typing import TypeVar
from uuid import UUID

import structlog

from ml_service.domain.errors import DatabaseUnavailable, QueueUnavailable
from ml_service.domain.predictions import PredictionError, Status
from ml_service.messaging.queue import Queue, Result, ResultMessage, TaskConsumer, TaskDelivery
from ml_service.runtime.answers import Answer, Success
from ml_service.runtime.host import BatchStopped, ModelHost, ModelUnavailable, OnAnswers
from ml_service.storage import predictions
from ml_service.storage.database import Database
from ml_service.storage.predictions import Claimed, Finish, Finished

log = structlog.get_logger()

SLOTS = 4
CLAIM_AHEAD_S = 0.05
"""So long before the model is free again the next batch is claimed."""
PACE_S = 0.025
"""While several come at a time, batches begin so far apart at least, unless they are full: each costs as much as a
dozen predictions in it, and nobody notices so short a wait."""
BULK_EVERY = 4
"""Predictions that somebody waits for go first, but every so many batches begin with those that nobody waits for."""
RETRY_S = 0.5
CANCEL_CHECK_S = 1.0

Value = TypeVar("Value")


class Lane:
    """One model's predictions.

    Args:
        relaxed: The same database without waiting for its disk: for claims. One that a crash forgets is made again, and
            the answer to it is fenced off like any other late one.
        attempts_max: A prediction that was claimed so often is given up: whatever it meets takes the worker with it.
    """

    def __init__(
        self,
        host: ModelHost,
        database: Database,
        relaxed: Database,
        queue: Queue,
        consumer: TaskConsumer,
        worker_id: str,
        attempts_max: int,
    ) -> None:
        self._host = host
        self._database = database
        self._relaxed = relaxed
        self._queue = queue
        self._consumer = consumer
        self._worker_id = worker_id
        self._attempts_max = attempts_max
        self._single: deque[TaskDelivery] = deque()
        self._bulk: deque[TaskDelivery] = deque()
        self.ids_waiting = 0
        self._batches = 0
        self._began = 0.0
        self._began_with = 0
        self._news = asyncio.Event()
        """Something arrived, or the lane is being closed."""
        self._ahead = asyncio.Lock()
        """Held by the slot whose batch is the next: one batch is made ready, not more."""
        self._model = asyncio.Lock()
        self._model_free = asyncio.Event()
        self._model_free.set()
        self._free_at = 0.0
        self._predict_s = 0.0
        self._stopping = False
        self._slots: list[asyncio.Task[None]] = []

    @property
    def model(self) -> str:
        """The model's name."""
        return self._host.name

    @property
    def batch_size(self) -> int:
        """How many inputs the model takes at once."""
        return self._host.spec.batch_size

    @property
    def is_open(self) -> bool:
        """Whether the model answers, or is being started again; not while it cannot be loaded."""
        return self._host.state != "failed"

    def start(self) -> None:
        """Open the slots."""
        self._slots = [asyncio.create_task(self._work()) for _ in range(SLOTS)]

    def put(self, deliveries: Sequence[TaskDelivery]) -> None:
        """Take deliveries of this model; they are acked when their predictions are committed."""
        for delivery in deliveries:
            (self._bulk if delivery.message.bulk else self._single).append(delivery)
            self.ids_waiting += len(delivery.message.ids)
        self._news.set()

    async def drain(self) -> None:
        """Finish the batches that have begun; what has not goes back to the queue."""
        self._stopping = True
        self._news.set()
        if waiting := self._put_down():
            await self._consumer.requeue(waiting)
        await asyncio.gather(*self._slots, return_exceptions=True)

    async def abort(self) -> None:
        """Stop at once; what is claimed is somebody else's as soon as this worker is gone."""
        for slot in self._slots:
            slot.cancel()
        await asyncio.gather(*self._slots, return_exceptions=True)

    async def _work(self) -> None:
        while not self._stopping:
            async with AsyncExitStack() as ahead:
                await ahead.enter_async_context(self._ahead)
                deliveries = await self._gather()
                try:
                    await self._serve(deliveries, ahead)
                except ModelUnavailable as error:
                    # What waits here would keep the worker's other models from their work.
                    log.warning("model_unavailable", model=self._host.name, error=str(error))
                    await self._consumer.requeue([*deliveries, *self._put_down()])
                except Exception:
                    # A bug must not swallow messages: they come again, and the attempts are counted in the rows.
                    log.exception("batch_failed", model=self._host.name, messages=len(deliveries))
                    await self._consumer.requeue(deliveries)

    async def _gather(self) -> list[TaskDelivery]:
        """The messages of the next batch, when it is time for it; none where the lane is being closed."""
        while not self.ids_waiting and not self._stopping:
            self._news.clear()
            await self._news.wait()
        if self._model.locked() and not self._stopping:
            # A fuller batch costs nobody anything while the model is busy.
            fuller_s = 0.0 if self.ids_waiting >= self.batch_size else self._host.batch_wait_ms / 1000
            await _wait(self._model_free, max(self._free_at - CLAIM_AHEAD_S - time.monotonic(), fuller_s))
        while self._began_with > 1 and self.ids_waiting < self.batch_size and not self._stopping:
            self._news.clear()
            if not await _wait(self._news, self._began + PACE_S - time.monotonic()):
                break
        self._batches += 1
        first, second = (self._bulk, self._single) if self._batches % BULK_EVERY == 0 else (self._single, self._bulk)
        taken: list[TaskDelivery] = []
        room = self.batch_size
        for waiting in (first, second):
            while waiting and (not taken or len(waiting[0].message.ids) <= room):
                taken.append(waiting.popleft())
                room -= len(taken[-1].message.ids)
        self._began, self._began_with = time.monotonic(), self.batch_size - room
        self.ids_waiting -= self._began_with
        return taken

    def _put_down(self) -> list[TaskDelivery]:
        """Everything that waits here, which then no longer does."""
        waiting = [*self._single, *self._bulk]
        self._single.clear()
        self._bulk.clear()
        self.ids_waiting = 0
        return waiting

    async def _serve(self, deliveries: list[TaskDelivery], ahead: AsyncExitStack) -> None:
        if not deliveries:
            return
        claimed = await self._claim(deliveries)
        ended = [Finished(one.id, one.user_id, one.status) for one in claimed if one.status != Status.PROCESSING]
        mine = [one for one in claimed if one.status == Status.PROCESSING]
        size = self.batch_size
        for start in range(0, len(mine), size):
            ended += await self._predict(mine[start : start + size], ahead)
        await self._announce(ended)
        await self._consumer.ack(deliveries)

    async def _claim(self, deliveries: list[TaskDelivery]) -> list[Claimed]:
        ids: list[UUID] = []
        redelivered: list[bool] = []
        for delivery in deliveries:
            ids += delivery.message.ids
            redelivered += [delivery.redelivered] * len(delivery.message.ids)

        tries = 0

        async def claim() -> list[Claimed]:
            nonlocal tries
            tries += 1
            async with self._relaxed.autocommit() as session:
                return await predictions.claim(
                    session,
                    self._worker_id,
                    ids,
                    redelivered,
                    attempts_max=self._attempts_max,
                    is_retry=tries > 1,
                )

        return await _until_database(claim)

    async def _predict(self, batch: list[Claimed], ahead: AsyncExitStack) -> list[Finished]:
        """Run the model on a batch and commit its answers."""
        ended: list[Finished] = []
        whole: list[Finish] = []

        async def take(answers: Sequence[tuple[int, Answer]]) -> None:
            finishes = [_finish_of(batch[place], answer, self._host.spec.version) for place, answer in answers]
            if len(finishes) == len(batch):
                whole.extend(finishes)  # committed below, while the model computes the next batch
            else:
                # A guilty input is being looked for: its neighbours need not wait for the verdict.
                ended.extend(await self._finish(finishes))

        async with self._model:
            await ahead.aclose()
            began = time.monotonic()
            self._free_at = began + self._predict_s
            self._model_free.clear()
            try:
                await self._run_model(batch, take)
            finally:
                self._model_free.set()
                self._predict_s = time.monotonic() - began
        if whole:
            ended += await self._finish(whole)
        return ended

    async def _run_model(self, batch: list[Claimed], take: OnAnswers) -> None:
        watch = asyncio.create_task(self._watch_cancels([one.id for one in batch]))
        try:
            while True:
                try:
                    await self._host.predict([one.input for one in batch], take)
                except ModelUnavailable:
                    if not self.is_open:
                        raise
                    await self._host.wait_ready()
                except BatchStopped:
                    return
                else:
                    return
        finally:
            watch.cancel()

    async def _finish(self, finishes: list[Finish]) -> list[Finished]:
        async def finish() -> list[Finished]:
            async with self._database.autocommit() as session:
                return await predictions.finish(session, self._worker_id, finishes)

        finished = await _until_database(finish)
        if len(finished) < len(finishes):
            # Canceled meanwhile, or claimed by another worker: the fence let the late answers fall.
            log.info("answers_dropped", model=self._host.name, answers=len(finishes) - len(finished))
        return finished

    async def _announce(self, ended: list[Finished]) -> None:
        if not ended:
            return
        try:
            await self._queue.publish_results(
                ResultMessage(tuple(Result(one.id, one.user_id, one.status) for one in ended))
            )
        except QueueUnavailable as error:
            # The table has the answers; whoever waits looks there every second.
            log.warning("results_not_announced", predictions=len(ended), error=error.message)

    async def _watch_cancels(self, ids: list[UUID]) -> None:
        """Stop the model when nobody wants anything of a long batch any more."""
        while True:
            await asyncio.sleep(CANCEL_CHECK_S)
            try:
                async with self._database.autocommit() as session:
                    unwanted = await predictions.canceled_among(session, ids)
            except DatabaseUnavailable:
                continue
            if len(unwanted) == len(ids):
                log.info("batch_canceled", model=self._host.name, predictions=len(ids))
                self._host.stop_current()
                return


def _finish_of(claimed: Claimed, answer: Answer, version: str) -> Finish:
    if isinstance(answer, Success):
        return Finish(claimed.id, claimed.attempt, version, answer.predict_ms, answer.output_json)
    error = PredictionError(answer.code, answer.message)
    return Finish(claimed.id, claimed.attempt, version, answer.predict_ms, None, error)


async def _until_database(work: Callable[[], Awaitable[Value]]) -> Value:
    """Repeat ``work`` until the database answers. Nothing new is consumed meanwhile, for the prefetch is used up."""
    while True:
        try:
            return await work()
        except DatabaseUnavailable as error:
            log.warning("database_away", error=error.message)
            await asyncio.sleep(RETRY_S)


async def _wait(event: asyncio.Event, timeout_s: float) -> bool:
    """Whether it happened in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(timeout_s, 0)):
            await event.wait()
    return event.is_set()
