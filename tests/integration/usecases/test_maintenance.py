"""What one elected process does: feed in turns, send again what got lost, end what is overdue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import pytest

from ml_service.domain.predictions import Source, new_id
from ml_service.messaging.connect import connect_queue
from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import Queue, TaskConsumer
from ml_service.storage import submissions, workers
from ml_service.storage.predictions import Finish
from ml_service.storage.submissions import NewPrediction, Submission
from ml_service.usecases import users
from ml_service.usecases.maintenance import Maintenance, Rhythm
from ml_service.usecases.publisher import Publisher
from tests.integration.conftest import Play

QUICK = Rhythm(feed_s=0.02, sweep_s=0.05, resend_after_s=0.2, lost_after_s=0.3, silent_s=0.1)

MakeMaintenance = Callable[[], Maintenance]


@pytest.fixture
async def queue(database_url: str) -> AsyncIterator[Queue]:
    queue = await connect_queue("postgres", database_url=database_url)
    await queue.declare()
    yield queue
    await queue.close()


@pytest.fixture
async def make_maintenance(play: Play, queue: Queue) -> AsyncIterator[MakeMaintenance]:
    made: list[Maintenance] = []

    def make() -> Maintenance:
        publisher = Publisher(play.database, queue, lambda _: 8)
        made.append(Maintenance(play.database, play.url, queue, publisher, lambda _: 8, QUICK))
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


async def test_what_its_publisher_did_not_send_is_sent(
    play: Play, make_maintenance: MakeMaintenance, consumer: TaskConsumer
) -> None:
    await play.submit(*(play.submission() for _ in range(20)))  # committed, and then the process died
    await make_maintenance().start()
    assert set(await receive(consumer, 20)) == set(play.ids)


async def test_what_merely_waits_in_the_queue_is_not_sent_again(
    play: Play, make_maintenance: MakeMaintenance, queue: Queue
) -> None:
    await play.submit(*(play.submission() for _ in range(5)))
    await make_maintenance().start()
    async with asyncio.timeout(5):
        while (await queue.depth("default")).ready == 0:
            await asyncio.sleep(0.02)
    await asyncio.sleep(4 * QUICK.lost_after_s)
    assert (await queue.depth("default")).ready == 1


async def test_batches_are_fed_in_turns_over_their_users(
    play: Play, make_maintenance: MakeMaintenance, consumer: TaskConsumer
) -> None:
    await play.submit(play.submission(items=100, batch=True))
    async with play.database.begin() as session:
        other = await users.register(session, "berta", None, starting_credits=100)
        items = tuple(NewPrediction(new_id(), "echo", "1", "default", 1, "{}") for _ in range(4))
        await submissions.submit(session, [Submission(other.id, Source.API, items, new_id())])
    await make_maintenance().start()
    ids: list[UUID] = []
    while len(ids) < 104:  # the next come when these are answered
        some = await receive(consumer, 1)
        await play.finish(*(Finish(one.id, one.attempt, "1", 1.0, "{}") for one in await play.claim(*some)))
        ids += some
    assert set(ids) == {*play.ids, *(item.id for item in items)}
    assert {item.id for item in items} <= set(ids[:16]), "four predictions stood behind a hundred of somebody else's"


async def test_what_a_vanished_worker_had_claimed_is_sent_again(
    play: Play, make_maintenance: MakeMaintenance, consumer: TaskConsumer
) -> None:
    async with play.database.autocommit() as session:
        await workers.beat(
            session, play.worker_id, 1, "h", 1, pools=["default"], models=["echo"], state="ready", lease_s=60
        )
    await play.submit(play.submission())
    await make_maintenance().start()
    await receive(consumer, 1)
    await play.claim(*play.ids)  # and its lock is held by nobody
    assert await receive(consumer, 1) == play.ids


async def test_what_a_live_worker_has_claimed_is_left_alone(
    play: Play, make_maintenance: MakeMaintenance, consumer: TaskConsumer
) -> None:
    async with play.database.own_connection(play.url, "lock") as own:
        await workers.hold_lock(own, 1)
        await workers.beat(
            own, play.worker_id, 1, "h", 1, pools=["default"], models=["echo"], state="ready", lease_s=60
        )
        await play.submit(play.submission())
        await make_maintenance().start()
        await receive(consumer, 1)
        await play.claim(*play.ids)
        assert await consumer.get_batch(1, wait_ms=0, timeout_s=1) == []


async def test_what_the_queue_lost_is_sent_again(
    play: Play, make_maintenance: MakeMaintenance, consumer: TaskConsumer
) -> None:
    await play.submit(play.submission())
    await make_maintenance().start()
    assert await receive(consumer, 1) == play.ids  # acked, and then forgotten by whoever had it
    assert await receive(consumer, 1) == play.ids


async def test_an_overdue_prediction_ends_without_any_worker(play: Play, make_maintenance: MakeMaintenance) -> None:
    await play.submit(play.submission(deadline_s=0.05))
    await make_maintenance().start()
    async with asyncio.timeout(5):
        while await play.balance() != (100, 0):
            await asyncio.sleep(0.05)


async def test_one_leads_and_the_next_takes_over(make_maintenance: MakeMaintenance) -> None:
    first, second = make_maintenance(), make_maintenance()
    await first.start()
    await asyncio.sleep(0.3)
    await second.start()
    await asyncio.sleep(0.3)
    assert (first.is_leading, second.is_leading) == (True, False)
    await first.close()
    async with asyncio.timeout(5):
        while not second.is_leading:
            await asyncio.sleep(0.05)
