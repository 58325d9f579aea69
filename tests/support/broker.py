"""A broker as the contract sees it: what a test may do to it, whichever backend it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID, uuid4

import asyncpg
from pamqp import commands

from ml_service.domain.errors import QueueUnavailable
from ml_service.messaging.connect import connect_queue
from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import (
    RESULTS,
    Queue,
    QueueLimits,
    Result,
    ResultMessage,
    TaskConsumer,
    TaskMessage,
    queue_of,
)
from ml_service.messaging.rabbitmq.client.channel import Channel
from ml_service.messaging.rabbitmq.client.connection import open_connection
from tests.support.waiting import PATIENCE_S, until

FAST = QueueLimits(timeout_s=20.0, reconnect_s_max=0.3, requeue_delay_s=0.4)


@asynccontextmanager
async def stranger(amqp_url: str, *, confirms: bool = False) -> AsyncIterator[Channel]:
    """A channel of a program that is not ours. It waits: on a busy machine RabbitMQ may say nothing for seconds."""
    connection = await open_connection(amqp_url, name="stranger", timeout_s=PATIENCE_S)
    try:
        yield await connection.open_channel(confirms=confirms, timeout_s=PATIENCE_S)
    finally:
        await connection.close()


class BrokerNode(Protocol):
    """What the private nodes of both kinds can do."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def freeze(self) -> None: ...
    def resume(self) -> None: ...


@dataclass
class Broker:
    """A backend and a fresh room in its private node."""

    backend: str
    url: str
    node: BrokerNode
    queues: list[Queue] = field(default_factory=list)

    async def queue(self, limits: QueueLimits = FAST) -> Queue:
        """A queue on this broker, as one process has it; closed after the test."""
        where = {"amqp_url": self.url} if self.backend == "rabbitmq" else {"database_url": self.url}
        queue = await connect_queue(self.backend, **where, name="contract", limits=limits)
        self.queues.append(queue)
        return queue

    async def publish_raw(self, body: str, pool: str = "default", *, results: bool = False) -> None:
        """Put what may be no message into a queue, as a stranger would."""
        queue = RESULTS if results else queue_of(pool)
        if self.backend == "postgres":
            await self._execute("INSERT INTO queue_messages (queue, body) VALUES ($1, $2)", queue, body)
            return
        async with stranger(self.url, confirms=True) as channel:
            publish = commands.Basic.Publish(exchange="", routing_key=queue)
            properties = commands.Basic.Properties(delivery_mode=2)
            await channel.publish_one(publish, properties, body.encode(), PATIENCE_S)

    async def lose_queue(self, pool: str = "default") -> None:
        """Delete a task queue with all that is in it."""
        if self.backend == "postgres":
            await self._execute("TRUNCATE queue_messages")
            return
        async with stranger(self.url) as channel:
            await channel.call(commands.Queue.Delete(queue=queue_of(pool)), PATIENCE_S)

    async def mark_published(self) -> None:
        """What a publisher does after the confirm: a synchronous commit in the database (only seen on PostgreSQL)."""
        if self.backend == "postgres":
            await self._execute(
                "SET synchronous_commit = on; CREATE TABLE IF NOT EXISTS marked (at timestamptz);"
                "INSERT INTO marked VALUES (now())"
            )

    async def _execute(self, statement: str, *values: object) -> None:
        connection = await asyncpg.connect(self.url, timeout=10)
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()


def task(number: int = 1, pool: str = "default") -> TaskMessage:
    """A task message of ``number`` new ids."""
    return TaskMessage(pool, "echo", "1", tuple(uuid4() for _ in range(number)))


def results(number: int = 1) -> ResultMessage:
    """A result message of ``number`` new ids."""
    return ResultMessage(tuple(Result(uuid4(), uuid4(), "succeeded") for _ in range(number)))


def ids(deliveries: list) -> list[UUID]:
    """All ids in these deliveries, in order."""
    return [one for delivery in deliveries for one in delivery.message.ids]


async def publish_soon(queue: Queue, message: TaskMessage, seconds: float = 60) -> None:
    """Publish, again until it is confirmed, as the sweep does: a broker that was killed needs a moment."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await queue.publish_tasks([message])
            except QueueUnavailable:
                await asyncio.sleep(0.1)


def cut(consumer: TaskConsumer) -> None:
    """End a consumer's connection without telling the broker, as a killed process does."""
    connection = consumer._connection  # type: ignore[attr-defined]
    if hasattr(connection, "abort"):
        connection.abort("cut by a test")
    else:
        connection.drop()


async def drain(consumer: TaskConsumer, number: int, seconds: float = PATIENCE_S) -> list:
    """Take and ack messages until there are ``number``."""
    taken: list = []
    async with asyncio.timeout(seconds):
        while len(taken) < number:
            batch = await consumer.get_batch(256, 0)
            await consumer.ack(batch)
            taken += batch
    return taken


@asynccontextmanager
async def consuming(
    queue: Queue, prefetch: int = 100, pools: tuple[str, ...] = ("default",)
) -> AsyncIterator[TaskConsumer]:
    """A connected consumer."""
    async with queue.consume_tasks(pools, Prefetch(prefetch, 1)) as consumer:
        await until(lambda: consumer.connected)
        yield consumer
