"""The queue contract: what is lost is noticed, made again, and told."""

from __future__ import annotations

import asyncio

import pytest

from engine.native.postgres import PostgresNode
from ml_service.domain.errors import QueueUnavailable
from ml_service.messaging.connect import connect_queue
from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import Queue, QueueLimits
from ml_service.storage.schema import migrate
from tests.support.broker import FAST, Broker, consuming, cut, drain, task
from tests.support.nodes import execute
from tests.support.waiting import until


async def test_declare_tells_once_that_the_queue_is_new(broker: Broker) -> None:
    queue = await broker.queue()
    assert await queue.declare() is True
    assert await queue.declare() is False
    assert await queue.declare() is False
    assert await (await broker.queue()).declare() is False


async def test_a_lost_queue_is_reported_again_if_the_process_dies_before_acting(broker: Broker) -> None:
    dying = await broker.queue()
    assert await dying.declare() is True
    await dying.close()
    assert await (await broker.queue()).declare() is True


async def test_a_lost_queue_is_made_again_and_declare_tells_so(broker: Broker, queue: Queue) -> None:
    await queue.publish_tasks([task()])
    assert await queue.declare() is False
    await broker.lose_queue()
    assert await queue.declare() is True
    assert await queue.declare() is False
    assert (await queue.depth("default")).ready == 0


async def test_a_publisher_survives_the_loss_of_the_queue_and_reports_it(broker: Broker, queue: Queue) -> None:
    await queue.publish_tasks([task()])
    assert await queue.declare() is False
    await broker.lose_queue()
    await queue.publish_tasks([task() for _ in range(3)])
    assert (await queue.depth("default")).ready == 3
    assert await queue.declare() is True


async def test_a_consumer_survives_the_loss_of_the_queue_and_reports_it(broker: Broker, queue: Queue) -> None:
    assert await queue.declare() is False
    worker = await broker.queue()
    async with consuming(worker) as consumer:
        await broker.lose_queue()
        await queue.publish_tasks([task()])
        assert len(await drain(consumer, 1)) == 1
    assert await queue.declare() is True


async def test_a_consumer_whose_connection_is_cut_goes_on(queue: Queue) -> None:
    async with consuming(queue) as consumer:
        await queue.publish_tasks([task(), task()])
        held = await consumer.get_batch(2, 20_000)
        cut(consumer)
        await consumer.ack(held)  # too late, and no error
        await until(lambda: consumer.connected)
        again = await drain(consumer, 2)
        assert all(delivery.redelivered for delivery in again)


@pytest.mark.parametrize("backend", ["rabbitmq", "postgres"])
async def test_a_broker_that_is_away_is_an_error_within_its_time(backend: str) -> None:
    url = {
        "amqp_url": "amqp://guest:guest@127.0.0.1:1/",
        "database_url": "postgresql://nobody@127.0.0.1:1/nothing",
    }
    queue = await connect_queue(backend, **url, limits=QueueLimits(timeout_s=1))
    loop = asyncio.get_running_loop()
    start = loop.time()
    with pytest.raises(QueueUnavailable):
        await queue.publish_tasks([task()])
    with pytest.raises(QueueUnavailable):
        await queue.depth("default")
    with pytest.raises(QueueUnavailable):
        await queue.declare()
    async with queue.consume_tasks(["default"], Prefetch(10, 1)) as consumer:
        assert await consumer.get_batch(1, 0, timeout_s=0.5) == []
        assert not consumer.connected
    assert loop.time() - start < 5
    await queue.close()


async def test_wrong_settings_are_told_at_once() -> None:
    with pytest.raises(ValueError, match="unknown"):
        await connect_queue("kafka", amqp_url="amqp://localhost/")
    with pytest.raises(ValueError, match="missing"):
        await connect_queue("rabbitmq")
    with pytest.raises(ValueError, match="amqp://"):
        await connect_queue("rabbitmq", amqp_url="http://localhost/")


async def test_a_consumer_that_starts_before_the_schema_works_once_it_exists(postgres_node: PostgresNode) -> None:
    await execute(postgres_node.dsn(), "CREATE DATABASE before_the_schema")
    url = postgres_node.dsn("before_the_schema")
    queue = await connect_queue("postgres", database_url=url, limits=FAST)
    with pytest.raises(QueueUnavailable):
        await queue.publish_tasks([task()])
    async with queue.consume_tasks(["default"], Prefetch(10, 1)) as consumer:
        assert await consumer.get_batch(1, 0, timeout_s=0.3) == []
        await migrate(url)
        await queue.publish_tasks([task()])
        assert len(await drain(consumer, 1)) == 1
    await queue.close()
    await execute(postgres_node.dsn(), "DROP DATABASE before_the_schema")
