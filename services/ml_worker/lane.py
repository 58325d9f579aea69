"""The way of one model version's predictions through a worker: gather, claim, predict, finish, announce, ack.

A lane has a few slots. While the model computes one slot's batch, another slot claims the next and the others finish
the last ones, so the model never waits for the database. The next batch is gathered as late as that allows, so it takes
in what arrives meanwhile. Every cost but the model's own is paid once per batch.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from hashlib import sha256
from uuid import UUID

import structlog

from ml_service.domain.errors import DatabaseUnavailable, QueueUnavailable
from ml_service.domain.predictions import PredictionError, Status
from ml_service.messaging.queue import Queue, Result, ResultMessage, TaskConsumer, TaskDelivery
from ml_service.runtime.host.model_host import BatchStopped, ModelHost, ModelUnavailable, OnAnswers, context_of
from ml_service.runtime.model_answers import MODEL_BUSY, Failure, ModelAnswer, Postponed, Success
from ml_service.storage.claiming import Claimed
from ml_service.storage.finishing import Finish, Finished
from ml_service.storage.postponing import Postponement
from services.ml_worker.metrics import WorkerMetrics
from services.ml_worker.pacing import Pacing
from services.ml_worker.rows import LaneRows

log = structlog.get_logger()

SLOTS = 4
CLAIM_AHEAD_S = 0.05
"""So long before the model is free again the next batch is claimed."""
BULK_EVERY = 4
"""Single predictions go first, because a client may wait for them; every fourth batch begins with bulk ones."""
BULK_ALONG = 32
"""So many bulk predictions may fill up a batch of single ones: with more, their commit would take longer."""
TIMER_S = 0.0005
"""The loop's timers count milliseconds: a wait of less than half of one would be none, asked for again and again."""
ENDED_CHECK_S = 0.5
"""How often it is looked, while a batch is long, whether somebody still wants it."""


class Lane:
    """The predictions of one model at one version.

    Args:
        rows: What the lane may do to the rows of its predictions.
        consumer: Where the deliveries that it is given come from.
    """

    def __init__(
        self,
        host: ModelHost,
        rows: LaneRows,
        queue: Queue,
        consumer: TaskConsumer,
        metrics: WorkerMetrics,
    ) -> None:
        self._host = host
        self._metrics = metrics
        self.spec = host.spec
        self._rows = rows
        self._queue = queue
        self._consumer = consumer
        self._single: deque[TaskDelivery] = deque()
        self._bulk: deque[TaskDelivery] = deque()
        self.ids_waiting = 0
        self._batches = 0
        self._single_pacing = Pacing()
        self._bulk_pacing = Pacing()  # of its own: a single prediction does not wait until a batch of bulk ones is full
        self._news = asyncio.Event()
        """Something arrived, a batch was committed, or the lane is being closed."""
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
    def key(self) -> tuple[str, str]:
        """The model's name and version."""
        return self.spec.name, self.spec.version

    @property
    def batch_size(self) -> int:
        """How many inputs the model takes at once."""
        return self.spec.batch_size

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
        await give_back(self._consumer, self._put_down(), begun=False)
        await asyncio.gather(*self._slots, return_exceptions=True)

    async def abort(self) -> None:
        """Stop at once; other workers may claim its work as soon as this worker is gone."""
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
                    await give_back(self._consumer, deliveries, begun=True)
                    await give_back(self._consumer, self._put_down(), begun=False)
                except Exception:
                    # A bug must not swallow messages: they come again, and the attempts are counted in the rows.
                    log.exception("batch_failed", model=self._host.name, messages=len(deliveries))
                    await give_back(self._consumer, deliveries, begun=True)

    async def _gather(self) -> list[TaskDelivery]:
        """The messages of the next batch, when it is time for it; none where the lane is being closed."""
        while not self.ids_waiting and not self._stopping:
            self._news.clear()
            await self._news.wait()
        if self._model.locked() and not self._stopping:
            # While the model is busy a fuller batch is free.
            fuller_s = 0.0 if self.ids_waiting >= self.batch_size else self._host.batch_wait_ms / 1000
            await _wait(self._model_free, max(self._free_at - CLAIM_AHEAD_S - time.monotonic(), fuller_s))
        while not self._stopping and (wait_s := self._wait_s()):
            self._news.clear()
            await _wait(self._news, wait_s + TIMER_S)
        self._batches += 1
        first, second = (self._bulk, self._single) if self._batches % BULK_EVERY == 0 else (self._single, self._bulk)
        taken: list[TaskDelivery] = []
        room = self.batch_size
        for waiting in (first, second):
            if taken and waiting is self._bulk:
                room = min(room, BULK_ALONG)
            while waiting and (not taken or len(waiting[0].message.ids) <= room):
                taken.append(waiting.popleft())
                room -= len(taken[-1].message.ids)
        self.ids_waiting -= sum(len(delivery.message.ids) for delivery in taken)
        return taken

    def _wait_s(self) -> float:
        """Seconds to wait for more: until single predictions may begin or bulk ones, whichever is sooner. 0 or more."""
        if self.ids_waiting >= self.batch_size:
            return 0.0
        paces = ((self._single, self._single_pacing), (self._bulk, self._bulk_pacing))
        return min((pacing.wait_s() for waiting, pacing in paces if waiting), default=0.0)

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
        is_bulk = deliveries[0].message.bulk
        pacing = self._bulk_pacing if is_bulk else self._single_pacing
        pacing.begin(sum(len(one.message.ids) for one in deliveries if one.message.bulk == is_bulk))
        try:
            ended = await self._answer(deliveries, ahead)
        finally:
            pacing.end()
            self._news.set()
        await self._announce(ended)
        await self._consumer.ack(deliveries)

    async def _answer(self, deliveries: list[TaskDelivery], ahead: AsyncExitStack) -> list[Finished]:
        """Claim, predict, commit; returns what has ended."""
        ids: list[UUID] = []
        redelivered: list[bool] = []
        for delivery in deliveries:
            ids += delivery.message.ids
            redelivered += [delivery.redelivered] * len(delivery.message.ids)
        claimed = await self._rows.claim(ids, redelivered)
        ended = [Finished(one.id, one.user_id, one.status) for one in claimed if one.status != Status.PROCESSING]
        mine = [one for one in claimed if one.status == Status.PROCESSING]
        size = self.batch_size
        try:
            for start in range(0, len(mine), size):
                ended += await self._predict(mine[start : start + size], ahead)
        except ModelUnavailable:
            await self._rows.give_back([one.id for one in mine])
            raise
        return ended

    async def _predict(self, batch: list[Claimed], ahead: AsyncExitStack) -> list[Finished]:
        """Run the model on a batch and commit its answers."""
        ended: list[Finished] = []
        whole: list[Finish] = []

        async def take(answers: Sequence[tuple[int, ModelAnswer]]) -> None:
            if any(isinstance(answer, Postponed) for _, answer in answers):
                answers = await self._postpone(batch, answers)
            finishes = [_finish_of(batch[place], answer) for place, answer in answers]
            if len(finishes) == len(batch):
                whole.extend(finishes)  # committed below, while the model computes the next batch
            else:
                # A guilty input is being looked for: its neighbours need not wait for the verdict.
                ended.extend(await self._rows.finish(finishes))

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
                self._metrics.computed(self.spec.name, len(batch), self._predict_s)
        if whole:
            ended += await self._rows.finish(whole)
        return ended

    async def _postpone(
        self, batch: list[Claimed], answers: Sequence[tuple[int, ModelAnswer]]
    ) -> list[tuple[int, ModelAnswer]]:
        """Queue again for later what the model asked for; returns the other answers, and failures without time."""
        later = {batch[place].id: (place, answer) for place, answer in answers if isinstance(answer, Postponed)}
        wanted = [Postponement(id_, batch[place].attempt, answer.after_s) for id_, (place, answer) in later.items()]
        postponed = await self._rows.postpone(wanted)
        rest: list[tuple[int, ModelAnswer]] = [one for one in answers if not isinstance(one[1], Postponed)]
        for id_, (place, answer) in later.items():
            if id_ not in postponed:
                message = f"The model asked to be tried again in {answer.after_s:g} s, for which no time is left."
                rest.append((place, Failure(MODEL_BUSY, message, answer.predict_ms)))
        return rest

    async def _contexts(self, batch: list[Claimed]) -> list[str] | None:
        """What the model is told of each request, if it asks for that."""
        if not self._host.takes_context:
            return None
        until = await self._rows.deadlines([one.id for one in batch])
        return [context_of(str(one.id), _hash_of(one.user_id), one.attempt, until.get(one.id)) for one in batch]

    async def _run_model(self, batch: list[Claimed], take: OnAnswers) -> None:
        contexts = await self._contexts(batch)
        ids = [one.id for one in batch]
        if self._host.state == "sleeping":
            self._metrics.woken(self.spec.name)
        watch = asyncio.create_task(self._watch_wanted(ids))
        try:
            while True:
                try:
                    await self._host.predict([one.input for one in batch], take, contexts)
                except ModelUnavailable:
                    if not self.is_open:
                        raise
                    await self._host.wait_ready()
                    if not await self._is_wanted(ids):
                        return
                except BatchStopped:
                    return
                else:
                    return
        finally:
            watch.cancel()

    async def _announce(self, ended: list[Finished]) -> None:
        if not ended:
            return
        try:
            await self._queue.publish_results(
                ResultMessage(tuple(Result(one.id, one.user_id, one.status) for one in ended))
            )
        except QueueUnavailable as error:
            # The table has the answers; the app reads rows that are waited for every second.
            log.warning("results_not_announced", predictions=len(ended), error=error.message)

    async def _watch_wanted(self, ids: list[UUID]) -> None:
        """Stop the model when every prediction of a long batch has ended: canceled, or past its deadline.

        While one is still wanted the batch goes on, and the fence drops the answers to the others. Runs until it is
        canceled: the model may have had no batch to stop yet.
        """
        while True:
            await asyncio.sleep(ENDED_CHECK_S)
            if not await self._is_wanted(ids) and self._host.stop_current():
                log.info("batch_stopped", model=self._host.name, predictions=len(ids))

    async def _is_wanted(self, ids: list[UUID]) -> bool:
        """Whether any of these predictions is open; also while the database cannot say so."""
        try:
            return bool(await self._rows.still_open(ids))
        except DatabaseUnavailable:
            return True


async def give_back(consumer: TaskConsumer, deliveries: Sequence[TaskDelivery], *, begun: bool) -> None:
    """Requeue these. Where a bug prevents that, the rest goes on, and they come again after this worker has ended."""
    if not deliveries:
        return
    try:
        await consumer.requeue(deliveries, begun=begun)
    except Exception:
        log.exception("messages_not_given_back", messages=len(deliveries))


def _finish_of(claimed: Claimed, answer: ModelAnswer) -> Finish:
    if isinstance(answer, Postponed):
        raise TypeError("what is postponed has no end yet")
    if isinstance(answer, Success):
        return Finish(claimed.id, claimed.attempt, answer.predict_ms, answer.output_json)
    error = PredictionError(answer.code, answer.message)
    return Finish(claimed.id, claimed.attempt, answer.predict_ms, None, error)


def _hash_of(user_id: UUID) -> str:
    """The same for all requests of a user; ids are random, so nobody finds the user of a hash by trying."""
    return sha256(b"ml-service user " + user_id.bytes).hexdigest()[:32]


async def _wait(event: asyncio.Event, timeout_s: float) -> bool:
    """Whether it happened in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(timeout_s, 0)):
            await event.wait()
    return event.is_set()
