"""Predictions whose version goes and comes back while their messages and outbox rows are still under way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from ml_service.background.batch_feeder import BatchFeeder
from ml_service.background.feed_window import BATCHES_PER_WORKER
from ml_service.background.relay import Relay
from ml_service.background.version_watch import VersionWatch
from ml_service.domain.models import ModelSpec
from ml_service.messaging.connect import connect_queue
from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import Queue, TaskConsumer
from ml_service.storage import model_versions, models, outbox
from ml_service.storage.outbox import OutboxEntry
from tests.support.play import Play, announce_served

SPEC = ModelSpec("echo", "1", "Says it again.", 1, {}, {})
BATCH_SIZE = 8


@pytest.fixture
async def queue(database_url: str) -> AsyncIterator[Queue]:
    queue = await connect_queue("postgres", database_url=database_url)
    await queue.declare()
    yield queue
    await queue.close()


@pytest.fixture
async def consumer(queue: Queue) -> AsyncIterator[TaskConsumer]:
    async with queue.consume_tasks(["default"], Prefetch(100, 1)) as consumer:
        yield consumer


@pytest.fixture
def relay(play: Play, queue: Queue) -> Relay:
    return Relay(play.database, queue, lambda *_: BATCH_SIZE)


async def drop(play: Play, consumer: TaskConsumer, number: int) -> None:
    """As a worker does with messages of a version that nobody serves."""
    dropped: list[UUID] = []
    while len(dropped) < number:
        deliveries = await consumer.get_batch(100, wait_ms=0, timeout_s=8)
        assert deliveries, f"only {len(dropped)} of {number} came"
        async with play.database.autocommit() as session:
            assert await model_versions.park(session, "echo", "1", "default")
        await consumer.ack(deliveries)
        dropped += [one for delivery in deliveries for one in delivery.message.ids]


async def serve(play: Play) -> None:
    """Begin to serve the version."""
    async with play.database.autocommit() as session:
        await play.beat(session)


async def announce(play: Play) -> None:
    async with play.database.autocommit() as session:
        await models.announce(session, [SPEC])


async def served_before(play: Play) -> None:
    """Workers have served the version, and are gone: nobody has noticed yet."""
    async with play.database.autocommit() as session:
        await announce_served(session, SPEC)


async def unsent(play: Play) -> list[UUID]:
    async with play.database.autocommit() as session:
        return [row["prediction_id"] for row in await session.fetch("SELECT prediction_id FROM outbox")]


async def test_a_message_that_was_dropped_before_its_outbox_row_was_deleted_is_sent_again(
    play: Play, queue: Queue, consumer: TaskConsumer, relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_service.background.relay.DELETE_AFTER_S", 3)
    await announce(play)
    [outcome] = await play.submit(play.submission())
    relay.send([OutboxEntry(play.ids[0], "default", "echo", "1", outcome.created_at)])
    await drop(play, consumer, 1)
    await serve(play)
    await VersionWatch(play.database, queue, gone_s=100).look()
    assert await unsent(play) == play.ids, "the relay has deleted it before the version came back"
    await relay.drain()
    assert await unsent(play) == play.ids
    async with play.database.autocommit() as session:
        again = await outbox.take_overdue(session, older_than_s=3, again_after_s=3, limit=9)
    await relay.send_now(again)
    assert await unsent(play) == []


async def test_a_window_full_of_dropped_messages_is_fed_again(
    play: Play, queue: Queue, consumer: TaskConsumer, relay: Relay
) -> None:
    await served_before(play)
    feeder = BatchFeeder(play.database, queue, relay, lambda *_: BATCH_SIZE)
    await play.submit(play.submission(items=2 * BATCH_SIZE, batch=True))
    await feeder.feed()
    await drop(play, consumer, 2 * BATCH_SIZE)
    await serve(play)
    await VersionWatch(play.database, queue, gone_s=100).look()
    assert sorted(await unsent(play)) == sorted(play.ids)
    await feeder.feed()
    assert await unsent(play) == []


async def test_a_heap_for_a_version_that_nobody_serves_fills_no_queue(
    play: Play, queue: Queue, consumer: TaskConsumer, relay: Relay
) -> None:
    await served_before(play)
    feeder = BatchFeeder(play.database, queue, relay, lambda *_: BATCH_SIZE)
    await play.submit(play.submission(items=2 * BATCH_SIZE, batch=True))
    await feeder.feed()
    await drop(play, consumer, 2 * BATCH_SIZE)
    await play.submit(play.submission(items=8 * BATCH_SIZE, batch=True))
    await feeder.feed()
    assert (await queue.depth("default")).ready == 0, "others' single predictions would stand behind that"
    assert await unsent(play) == []
    await serve(play)
    await VersionWatch(play.database, queue, gone_s=100).look()
    assert sorted(await unsent(play)) == sorted(play.ids)
    await feeder.feed()
    left = len(play.ids) - len(await unsent(play))
    assert left == BATCHES_PER_WORKER * BATCH_SIZE, "how fast messages were dropped says nothing of the workers"


async def test_a_version_that_moves_is_fed_no_faster_than_it_is_answered(
    play: Play, queue: Queue, relay: Relay
) -> None:
    await announce(play)
    async with play.database.autocommit() as session:
        await session.execute("UPDATE model_versions SET parked_at = now() + interval '3 seconds'")
    await serve(play)
    feeder = BatchFeeder(play.database, queue, relay, lambda *_: BATCH_SIZE)
    await play.submit(play.submission(items=8 * BATCH_SIZE, batch=True))
    await feeder.feed()
    assert len(play.ids) - len(await unsent(play)) == BATCHES_PER_WORKER * BATCH_SIZE
    async with play.database.autocommit() as session:
        await session.execute("UPDATE model_versions SET parked_at = now()")
    await feeder.feed()
    assert len(play.ids) - len(await unsent(play)) == BATCHES_PER_WORKER * BATCH_SIZE, "it is served, none dropped"


async def test_a_version_that_is_back_gets_what_was_accepted_while_the_leader_looked(play: Play) -> None:
    await announce(play)
    async with play.database.begin() as leader:
        await play.submit(play.submission())
        async with play.database.autocommit() as session:
            await session.execute("DELETE FROM outbox")  # sent
            assert await model_versions.park(session, "echo", "1", "default")  # and dropped
        await serve(play)
        assert await model_versions.unpark(leader) == ["echo@1"]
        await outbox.resend(leader, older_than_s=0, of_models=["echo@1"])
    assert await unsent(play) == play.ids


async def test_a_version_parked_too_early_is_sent_again(
    play: Play, queue: Queue, consumer: TaskConsumer, relay: Relay
) -> None:
    await announce(play)
    [outcome] = await play.submit(play.submission())
    await relay.send_now([OutboxEntry(play.ids[0], "default", "echo", "1", outcome.created_at)])
    watch = VersionWatch(play.database, queue, gone_s=100)
    async with play.database.begin() as other:
        await other.execute("SELECT FROM model_versions FOR UPDATE")
        dropping = asyncio.create_task(drop(play, consumer, 1))  # sees that nobody serves it, and waits for the lock
        async with asyncio.timeout(20), play.database.autocommit() as session:
            while not await session.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.01)
        await serve(play)
    await dropping
    await watch.look()
    assert await unsent(play) == play.ids


async def test_predictions_of_a_forgotten_version_are_sent_again_once_it_is_back(
    play: Play, queue: Queue, consumer: TaskConsumer, relay: Relay
) -> None:
    await announce(play)
    [outcome] = await play.submit(play.submission())
    async with play.database.autocommit() as session:
        assert await models.forget(session, "echo") == 1
    await relay.send_now([OutboxEntry(play.ids[0], "default", "echo", "1", outcome.created_at)])
    await drop(play, consumer, 1)
    await announce(play)
    await serve(play)
    await VersionWatch(play.database, queue, gone_s=100).look()
    assert await unsent(play) == play.ids
