"""A lane and its pool, where the queue cannot take messages back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from ml_service.domain.models import ModelSpec
from ml_service.messaging.queue import TaskDelivery, TaskMessage
from ml_service.runtime.host.model_host import ModelUnavailable
from services.ml_worker.lane import BULK_ALONG, SLOTS, Lane
from services.ml_worker.metrics import WorkerMetrics
from services.ml_worker.pacing import PACE_S
from services.ml_worker.pool import PoolConsumer
from tests.support.waiting import until


class Host:
    """A model that is never asked."""

    spec = ModelSpec("echo", "1", "Says it again.", 1, {}, {}, batch_size=1)
    name, state, batch_wait_ms = "echo", "ready", 0.0


class BrokenConsumer:
    """The queue's end, of which a bug keeps everything that is given back."""

    def __init__(self) -> None:
        self.acked: list[TaskDelivery] = []
        self.asked: list[tuple[int, bool]] = []
        self.to_hand_out: list[TaskDelivery] = []

    async def get_batch(self, *_: object, **__: object) -> list[TaskDelivery]:
        await until(lambda: self.to_hand_out)
        handed, self.to_hand_out = self.to_hand_out, []
        return handed

    async def ack(self, deliveries: Sequence[TaskDelivery]) -> None:
        self.acked += deliveries

    async def requeue(self, deliveries: Sequence[TaskDelivery], *, begun: bool) -> None:
        self.asked.append((len(deliveries), begun))
        raise RuntimeError("a bug")

    async def stop(self) -> None:
        pass


class BrokenRows:
    """The rows of a model's predictions: claiming them waits, or fails."""

    def __init__(self) -> None:
        self.claims = 0
        self.sizes: list[int] = []
        self.may_end = asyncio.Event()
        self.error: Exception | None = None

    async def claim(self, ids: list[UUID], _redelivered: list[bool]) -> list[Any]:
        self.claims += 1
        self.sizes.append(len(ids))
        if self.error is not None:
            raise self.error
        await self.may_end.wait()
        return []


def delivery(model: str = "echo") -> TaskDelivery:
    return TaskDelivery(TaskMessage("default", model, "1", (uuid4(),)), redelivered=False, receipt=(1, 1))


def lane_of(rows: BrokenRows, consumer: BrokenConsumer) -> Lane:
    return Lane(Host(), rows, None, consumer, WorkerMetrics())  # type: ignore[arg-type]


async def test_a_lane_finishes_what_it_has_begun_though_the_rest_cannot_be_given_back() -> None:
    rows, consumer = BrokenRows(), BrokenConsumer()
    lane = lane_of(rows, consumer)
    lane.put([delivery()])
    lane.start()
    await until(lambda: rows.claims)
    lane.put([delivery(), delivery()])
    draining = asyncio.create_task(lane.drain())
    await until(lambda: consumer.asked)
    rows.may_end.set()
    await draining
    assert consumer.asked == [(2, False)]
    assert len(consumer.acked) == 1


@pytest.mark.parametrize("error", [RuntimeError("another bug"), ModelUnavailable("it is gone")])
async def test_a_lane_goes_on_after_messages_that_it_could_not_give_back(error: Exception) -> None:
    rows, consumer = BrokenRows(), BrokenConsumer()
    rows.error = error
    lane = lane_of(rows, consumer)
    lane.start()
    for number in range(1, SLOTS + 2):
        lane.put([delivery()])
        await until(lambda number=number: rows.claims == number)  # type: ignore[misc]
    await lane.drain()
    assert (1, True) in consumer.asked


async def test_a_single_prediction_takes_only_a_few_of_a_bulk_job_along() -> None:
    rows, consumer = BrokenRows(), BrokenConsumer()
    rows.may_end.set()
    lane = lane_of(rows, consumer)
    lane.spec = replace(Host.spec, batch_size=256)
    ids = tuple(uuid4() for _ in range(BULK_ALONG // 2))
    lines = TaskDelivery(TaskMessage("default", "echo", "1", ids, bulk=True), redelivered=False, receipt=(1, 1))
    lane.put([lines] * 20)
    lane.put([delivery()])
    lane.start()
    await until(lambda: lane.ids_waiting == 0)
    await lane.drain()
    assert rows.sizes == [1 + BULK_ALONG, 256, 20 * len(ids) - BULK_ALONG - 256]


async def test_a_single_prediction_does_not_wait_until_a_batch_of_a_bulk_job_is_full() -> None:
    lane = lane_of(BrokenRows(), BrokenConsumer())
    lane.spec = replace(Host.spec, batch_size=256)
    lane._bulk_pacing.begin(100)  # it is not committed yet, so the next bulk batch that is not full waits
    lines = TaskDelivery(TaskMessage("default", "echo", "1", (uuid4(),), bulk=True), redelivered=False, receipt=(1, 1))
    lane.put([lines])
    assert lane._wait_s() == pytest.approx(PACE_S, abs=0.01)
    lane.put([delivery()])
    assert lane._wait_s() == 0


async def test_bulk_predictions_along_with_a_single_one_do_not_hold_the_next_single_one_up() -> None:
    rows, consumer = BrokenRows(), BrokenConsumer()
    lane = lane_of(rows, consumer)
    lane.spec = replace(Host.spec, batch_size=256)
    lines = TaskDelivery(TaskMessage("default", "echo", "1", (uuid4(),), bulk=True), redelivered=False, receipt=(1, 1))
    lane.put([delivery(), *[lines] * 7])
    lane.start()
    await until(lambda: rows.sizes == [8])
    lane.put([delivery()])
    assert lane._wait_s() == 0  # after one single prediction the next waits for nothing
    rows.may_end.set()
    await until(lambda: lane.ids_waiting == 0)
    await lane.drain()


async def test_a_pool_hears_the_next_message_after_one_that_it_could_not_give_back() -> None:
    consumer = BrokenConsumer()
    pool = PoolConsumer("default", None, None, 2)  # type: ignore[arg-type]
    dispatching = asyncio.create_task(pool._dispatch(consumer))
    for number in (1, 2):
        consumer.to_hand_out = [delivery("of nobody")]
        await until(lambda number=number: len(consumer.asked) == number)  # type: ignore[misc]
    dispatching.cancel()
    await asyncio.gather(dispatching, return_exceptions=True)
