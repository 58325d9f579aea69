"""Faults as the queue itself must bear them: killed, frozen, full, and under an alarm."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from uuid import UUID

import pytest

from engine.native.rabbitmq import RabbitNode
from ml_service.domain.errors import QueueUnavailable
from ml_service.messaging.queue import Queue, QueueDepth
from tests.support.broker import FAST, Broker, consuming, drain, ids, publish_soon, results, task
from tests.support.nodes import set_memory_limit
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.timeout(180)


@dataclass
class Published:
    """The confirmed ids, and how often a publish has failed."""

    confirmed: set[UUID] = field(default_factory=set)
    failures: int = 0


async def publish_until_stopped(queue: Queue, broker: Broker, stop: asyncio.Event, published: Published) -> None:
    """Publish small bursts, again when it fails."""
    while not stop.is_set():
        burst = [task() for _ in range(20)]
        try:
            await queue.publish_tasks(burst)
            await broker.mark_published()
        except (QueueUnavailable, OSError, Exception):  # noqa: BLE001 - the mark fails in its own ways
            published.failures += 1
            await asyncio.sleep(0.05)
        else:
            published.confirmed |= {message.ids[0] for message in burst}


async def publish_one_by_one(queue: Queue, number: int) -> None:
    """Publish so many messages, each confirmed before the next."""
    for _ in range(number):
        await queue.publish_tasks([task()])


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_no_confirmed_message_is_lost_when_the_broker_dies_during_a_publish(
    broker: Broker, queue: Queue, how: str
) -> None:
    await queue.declare()
    stop, published = asyncio.Event(), Published()
    confirmed = published.confirmed
    publishing = asyncio.create_task(publish_until_stopped(queue, broker, stop, published))
    await asyncio.sleep(2)  # RabbitMQ saves its register of queues now and then, see below
    await until(lambda: len(confirmed) > 100)
    getattr(broker.node, how)()
    await until(lambda: published.failures > 0)
    before = len(confirmed)
    broker.node.start()
    await until(lambda: len(confirmed) > before)
    stop.set()
    await publishing
    found: set[UUID] = set()
    async with consuming(queue, prefetch=500) as consumer:
        async with asyncio.timeout(PATIENCE_S):
            while not confirmed <= found:
                batch = await consumer.get_batch(500, 0)
                await consumer.ack(batch)
                found |= set(ids(batch))
    assert await queue.declare() is False  # nothing of it is told as a loss


async def test_consumers_and_readers_continue_after_a_broker_kill(broker: Broker, queue: Queue) -> None:
    async with consuming(queue) as consumer, queue.consume_results(None) as reader:
        await until(lambda: reader.connected)
        await queue.publish_tasks([task()])
        held = await consumer.get_batch(1, 0)
        # RabbitMQ keeps the register of its quorum queues in a table that it saves twice a second: one that is killed
        # sooner after a queue was made does not find that queue's log again, and never answers for it.
        await asyncio.sleep(2)
        broker.node.kill()
        await until(lambda: not consumer.connected and not reader.connected)
        await consumer.ack(held)
        broker.node.start()
        await until(lambda: consumer.connected and reader.connected)
        assert reader.connections == 2
        await publish_soon(queue, task())
        await until(lambda: consumer.connected and reader.connected)
        await queue.publish_results(results())
        assert len(await drain(consumer, 1)) >= 1
        assert await reader.get_batch(1, 0, timeout_s=PATIENCE_S)


async def test_a_publish_to_a_frozen_broker_fails_within_its_timeout(broker: Broker, queue: Queue) -> None:
    quick = await broker.queue(replace(FAST, timeout_s=1.5))
    await quick.publish_tasks([task()])
    broker.node.freeze()
    try:
        loop = asyncio.get_running_loop()
        for work in (lambda: quick.publish_tasks([task()]), lambda: quick.depth("default"), quick.declare):
            start = loop.time()
            with pytest.raises(QueueUnavailable):
                await work()
            assert loop.time() - start < FAST.timeout_s  # its own, which is shorter
    finally:
        broker.node.resume()
    await publish_soon(quick, task())
    assert queue


async def test_a_consumer_of_a_frozen_broker_continues_after_the_thaw(broker: Broker, queue: Queue) -> None:
    quick = await broker.queue(replace(FAST, timeout_s=1.5, heartbeat_s=1))
    async with consuming(quick) as consumer:
        broker.node.freeze()
        try:
            await asyncio.sleep(4)
        finally:
            broker.node.resume()
        await publish_soon(queue, task())
        assert len(await drain(consumer, 1, PATIENCE_S)) >= 1


async def test_a_full_queue_refuses_then_accepts_when_there_is_room(rabbit_node: RabbitNode, amqp_url: str) -> None:
    broker = Broker("rabbitmq", amqp_url, rabbit_node)
    queue = await broker.queue(replace(FAST, tasks_max=10))
    await queue.declare()
    with pytest.raises(QueueUnavailable, match="full"):
        await publish_one_by_one(queue, 40)  # the limit is noticed a moment late, so not at once
    async with consuming(queue) as consumer:
        await drain(consumer, 10)
    await queue.publish_tasks([task()])
    await queue.close()


async def test_a_broker_alarm_is_an_immediate_error_and_passes(rabbit_node: RabbitNode, amqp_url: str) -> None:
    broker = Broker("rabbitmq", amqp_url, rabbit_node)
    queue = await broker.queue(replace(FAST, timeout_s=2))
    await queue.declare()
    await queue.publish_tasks([task()])
    set_memory_limit(rabbit_node, 0.000001)
    try:
        loop = asyncio.get_running_loop()
        start = loop.time()
        with pytest.raises(QueueUnavailable):
            await publish_one_by_one(queue, 3)
        assert loop.time() - start < 5
        # Questions are answered all the same.
        depth: QueueDepth = await queue.depth("default")
        assert depth.exists
    finally:
        set_memory_limit(rabbit_node, 0.6)
    await publish_soon(queue, task(), 20)
    await queue.close()


async def test_messages_of_a_frozen_consumer_go_to_another_when_its_lease_ends(database_url: str) -> None:
    broker = Broker("postgres", database_url, None)  # type: ignore[arg-type]
    limits = replace(FAST, lease_s=2)
    queue, frozen = await broker.queue(limits), await broker.queue(limits)
    await queue.publish_tasks([task()])
    async with consuming(frozen) as sleeper:
        loop = asyncio.get_running_loop()
        start = loop.time()
        (held,) = await sleeper.get_batch(1, 0)
        sleeper._keeper.cancel()  # it renews no more, but its session lives, as a frozen process's does
        async with consuming(queue) as consumer:
            (again,) = await drain(consumer, 1)
            assert loop.time() - start >= limits.lease_s
            assert again.redelivered
            await sleeper.ack([held])  # it wakes: nothing of it counts
    for one in broker.queues:
        await one.close()
