"""The duties of the leader: feed batches in turns, send again what got lost, end what is overdue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest

from ml_service.background.feeder import Feeder
from ml_service.background.leader import APP_DUTIES_LOCK, Duty, Leader
from ml_service.background.relay import Relay
from ml_service.background.sweeper import Sweeper
from ml_service.domain.credentials import Principal
from ml_service.domain.ids import new_id
from ml_service.domain.predictions import Source
from ml_service.domain.submissions import Submission, SubmissionItem
from ml_service.messaging.connect import connect_queue
from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import Queue, TaskConsumer
from ml_service.storage import submissions, workers
from ml_service.storage.finishing import Finish
from ml_service.usecases import users
from tests.support.play import Play

LOST_AFTER_S = 0.3

MakeLeader = Callable[[], Leader]


@pytest.fixture
async def queue(database_url: str) -> AsyncIterator[Queue]:
    queue = await connect_queue("postgres", database_url=database_url)
    await queue.declare()
    yield queue
    await queue.close()


@pytest.fixture
async def make_leader(play: Play, queue: Queue) -> AsyncIterator[MakeLeader]:
    made: list[Leader] = []

    def make() -> Leader:
        relay = Relay(play.database, queue, lambda *_: 8)
        feeder = Feeder(play.database, queue, relay, lambda *_: 8)
        sweeper = Sweeper(play.database, queue, relay, resend_after_s=0.2, lost_after_s=LOST_AFTER_S, silent_s=0.1)
        duties = [Duty("feed", feeder.feed, 0.02), Duty("sweep", sweeper.sweep, 0.05)]
        made.append(Leader(play.database, play.url, lock_key=APP_DUTIES_LOCK, duties=duties))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
async def consumer(queue: Queue) -> AsyncIterator[TaskConsumer]:
    async with queue.consume_tasks(["default"], Prefetch(100, 1)) as consumer:
        yield consumer


async def receive(consumer: TaskConsumer, count: int) -> list[UUID]:
    """The next ids from the queue, in order, at least ``count`` of them."""
    ids: list[UUID] = []
    while len(ids) < count:
        deliveries = await consumer.get_batch(1, wait_ms=0, timeout_s=8)
        assert deliveries, f"only {len(ids)} of {count} came"
        ids += [one for delivery in deliveries for one in delivery.message.ids]
        await consumer.ack(deliveries)
    return ids


async def test_predictions_that_the_relay_did_not_send_are_sent_by_the_sweeper(
    play: Play, make_leader: MakeLeader, consumer: TaskConsumer
) -> None:
    await play.submit(*(play.submission() for _ in range(20)))  # committed, and then the process died
    await make_leader().start()
    assert set(await receive(consumer, 20)) == set(play.ids)


async def test_predictions_that_wait_in_the_queue_are_not_sent_again(
    play: Play, make_leader: MakeLeader, queue: Queue
) -> None:
    await play.submit(*(play.submission() for _ in range(5)))
    await make_leader().start()
    async with asyncio.timeout(5):
        while (await queue.depth("default")).ready == 0:
            await asyncio.sleep(0.02)
    await asyncio.sleep(4 * LOST_AFTER_S)
    assert (await queue.depth("default")).ready == 1


async def test_batches_are_fed_in_turns_over_their_users(
    play: Play, make_leader: MakeLeader, consumer: TaskConsumer
) -> None:
    await play.submit(play.submission(items=100, batch=True))
    async with play.database.begin() as session:
        other = await users.register(session, "berta", None, starting_credits=100)
        items = tuple(SubmissionItem(new_id(), "echo", "1", "default", 1, "{}") for _ in range(4))
        await submissions.submit(session, [Submission(Principal(other.id), Source.API, items, new_id())])
    await make_leader().start()
    ids: list[UUID] = []
    while len(ids) < 104:  # the next come when these are answered
        some = await receive(consumer, 1)
        await play.finish(*(Finish(one.id, one.attempt, 1.0, "{}") for one in await play.claim(*some)))
        ids += some
    assert set(ids) == {*play.ids, *(item.id for item in items)}
    assert {item.id for item in items} <= set(ids[:16]), "four predictions queued behind a hundred of another user"


async def test_predictions_claimed_by_a_vanished_worker_are_sent_again(
    play: Play, make_leader: MakeLeader, consumer: TaskConsumer
) -> None:
    async with play.database.autocommit() as session:
        await workers.beat(
            session,
            play.worker_id,
            1,
            "h",
            1,
            pools=["default"],
            models=["echo@1"],
            model_states={},
            state="ready",
            lease_s=60,
        )
    await play.submit(play.submission())
    await make_leader().start()
    await receive(consumer, 1)
    await play.claim(*play.ids)  # and its lock is held by nobody
    assert await receive(consumer, 1) == play.ids


async def test_predictions_claimed_by_a_live_worker_are_left_alone(
    play: Play, make_leader: MakeLeader, consumer: TaskConsumer
) -> None:
    async with play.database.own_connection(play.url, "lock") as own:
        await workers.hold_lock(own, 1)
        await workers.beat(
            own,
            play.worker_id,
            1,
            "h",
            1,
            pools=["default"],
            models=["echo@1"],
            model_states={},
            state="ready",
            lease_s=60,
        )
        await play.submit(play.submission())
        await make_leader().start()
        await receive(consumer, 1)
        await play.claim(*play.ids)
        assert await consumer.get_batch(1, wait_ms=0, timeout_s=1) == []


async def test_predictions_that_the_queue_lost_are_sent_again(
    play: Play, make_leader: MakeLeader, consumer: TaskConsumer
) -> None:
    await play.submit(play.submission())
    await make_leader().start()
    assert await receive(consumer, 1) == play.ids  # acked, then forgotten by its consumer
    assert await receive(consumer, 1) == play.ids


async def test_an_overdue_prediction_ends_without_any_worker(play: Play, make_leader: MakeLeader) -> None:
    await play.submit(play.submission(deadline_s=0.05))
    await make_leader().start()
    async with asyncio.timeout(5):
        while await play.balance() != (100, 0):
            await asyncio.sleep(0.05)


async def test_one_process_leads_and_another_takes_over(make_leader: MakeLeader) -> None:
    first, second = make_leader(), make_leader()
    await first.start()
    await asyncio.sleep(0.3)
    await second.start()
    await asyncio.sleep(0.3)
    assert (first.is_leading, second.is_leading) == (True, False)
    await first.close()
    async with asyncio.timeout(5):
        while not second.is_leading:
            await asyncio.sleep(0.05)
