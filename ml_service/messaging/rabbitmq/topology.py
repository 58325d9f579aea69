"""The exchanges and queues in RabbitMQ, declared so that 3.10 to 4.x behave alike.

    direct ml_tasks ──<pool>──▶ quorum ml_tasks, ml_tasks.<pool> ──dead──▶ fanout ml_tasks.dead ──▶ quorum ml_tasks.dead
    fanout ml_results ─▶ quorum ml_results (bounded by length and age), and an exclusive queue per live reader
    quorum ml_tasks.created: a message for each task queue that was created, read by `Queue.declare`

Queue type, delivery limit and dead-letter exchange are explicit, because the defaults differ: 3.10 has no delivery
limit; 4.0 has 20, and then *drops* the message if no dead-letter exchange is named.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from typing import Any
from uuid import uuid4

import structlog
from pamqp import base, commands

from ml_service.messaging.queue import CREATED, DEAD_LETTERS, RESULTS, TASKS, QueueLimits, queue_of
from ml_service.messaging.rabbitmq.client.channel import NOT_FOUND, AmqpError
from ml_service.messaging.rabbitmq.client.connection import AmqpConnection

log = structlog.get_logger(__name__)

EXCHANGES = ((TASKS, "direct"), (RESULTS, "fanout"), (DEAD_LETTERS, "fanout"))
PERSISTENT = 2
RECREATE_AFTER_S = 0.25
"""Wait before a missing queue is created. The broker notifies a deleted quorum queue's consumers some 30 ms after the
deletion (measured, 3.10). If a queue of the same name exists by then, it takes them for that queue's consumers, does
not notify them, and sends them messages that never arrive."""
# Listing dead letters counts as a delivery of each; 4.x would drop them at its default of 20.
NEVER = 1_000_000


def task_arguments(limits: QueueLimits) -> dict[str, Any]:
    """For ``ml_tasks`` and ``ml_tasks.<pool>``. At-least-once dead-lettering needs ``reject-publish``."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": limits.deliveries_max,
        "x-dead-letter-exchange": DEAD_LETTERS,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-max-length": limits.tasks_max,
    }


def result_arguments(limits: QueueLimits) -> dict[str, Any]:
    """For the durable ``ml_results``: too old or too many messages are dropped, since the table has all results."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": NEVER,
        "x-overflow": "drop-head",
        "x-max-length": limits.results_max,
        "x-message-ttl": limits.results_age_s_max * 1000,
    }


def keeping_arguments(messages_max: int) -> dict[str, Any]:
    """For dead letters and for ``ml_tasks.created``: beyond ``messages_max`` the oldest are dropped."""
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": NEVER,
        "x-overflow": "drop-head",
        "x-max-length": messages_max,
    }


async def inspect(connection: AmqpConnection, queue: str, timeout_s: float) -> commands.Queue.DeclareOk | None:
    """Message and consumer counts of ``queue``; None if it is missing.

    Raises:
        AmqpError: The connection is lost, or asking is not allowed.
        TimeoutError: The broker does not answer.
    """
    # On a channel of its own: the broker closes a channel that asks for a missing queue.
    channel = await connection.open_channel(timeout_s=timeout_s)
    try:
        answer = await channel.call(commands.Queue.Declare(queue=queue, passive=True), timeout_s)
    except AmqpError as error:
        if error.code != NOT_FOUND:
            raise
        return None
    else:
        return answer if isinstance(answer, commands.Queue.DeclareOk) else None
    finally:
        await channel.close()


class Topology:
    """Creates missing exchanges and queues, on the connection that found them missing."""

    def __init__(self, limits: QueueLimits) -> None:
        self.limits = limits

    async def is_complete(self, connection: AmqpConnection, pools: Collection[str]) -> bool:
        """Whether everything exists, asked on a single channel: the cheap check for the usual case.

        Raises:
            AmqpError: The connection is lost.
            TimeoutError: The broker does not answer.
        """
        channel = await connection.open_channel(timeout_s=self.limits.timeout_s)
        questions: list[base.Frame] = [
            commands.Exchange.Declare(exchange=name, exchange_type=kind, passive=True) for name, kind in EXCHANGES
        ]
        queues = [CREATED, DEAD_LETTERS, RESULTS, *map(queue_of, pools)]
        questions += [commands.Queue.Declare(queue=name, passive=True) for name in queues]
        try:
            for question in questions:
                await channel.call(question, self.limits.timeout_s)
        except AmqpError as error:
            if error.code != NOT_FOUND:
                raise
            return False
        else:
            return True
        finally:
            await channel.close()

    async def ensure_exchanges(self, connection: AmqpConnection) -> None:
        """Create the exchanges and the queues that belong to no pool, if missing.

        Raises:
            AmqpError: The connection is lost, or an exchange of another type has the name.
            TimeoutError: The broker does not answer.
        """
        timeout_s = self.limits.timeout_s
        channel = await connection.open_channel(timeout_s=timeout_s)
        for name, kind in EXCHANGES:
            await channel.call(commands.Exchange.Declare(exchange=name, exchange_type=kind, durable=True), timeout_s)
        await channel.close()
        await self._ensure(connection, CREATED, None, keeping_arguments(1000))
        await self._ensure(connection, DEAD_LETTERS, DEAD_LETTERS, keeping_arguments(self.limits.tasks_max))
        await self._ensure(connection, RESULTS, RESULTS, result_arguments(self.limits))

    async def ensure_pool(self, connection: AmqpConnection, pool: str) -> None:
        """Create the task queue of ``pool`` if it is missing, and announce it in ``ml_tasks.created`` *before*.

        Raises:
            AmqpError: The connection is lost.
            TimeoutError: The broker does not answer.
        """
        queue = queue_of(pool)
        if await inspect(connection, queue, self.limits.timeout_s) is None:
            await asyncio.sleep(RECREATE_AFTER_S)
            # The exchanges may be missing too, if the broker has lost its volume.
            await self.ensure_exchanges(connection)
            await self._announce_created(connection, queue)
            log.warning("queue_created", queue=queue)
        await self._ensure(connection, queue, TASKS, task_arguments(self.limits), routing_key=pool)

    async def _ensure(
        self,
        connection: AmqpConnection,
        queue: str,
        exchange: str | None,
        arguments: Mapping[str, Any],
        routing_key: str = "",
    ) -> None:
        timeout_s = self.limits.timeout_s
        if await inspect(connection, queue, timeout_s) is None:
            channel = await connection.open_channel(timeout_s=timeout_s)
            await channel.call(commands.Queue.Declare(queue=queue, durable=True, arguments=dict(arguments)), timeout_s)
            await channel.close()
        if exchange is not None:
            channel = await connection.open_channel(timeout_s=timeout_s)
            await channel.call(commands.Queue.Bind(queue=queue, exchange=exchange, routing_key=routing_key), timeout_s)
            await channel.close()

    async def _announce_created(self, connection: AmqpConnection, queue: str) -> None:
        # Before the queue is created: if we die in between, tasks are sent twice rather than never.
        timeout_s = self.limits.timeout_s
        channel = await connection.open_channel(confirms=True, timeout_s=timeout_s)
        properties = commands.Basic.Properties(delivery_mode=PERSISTENT, message_id=uuid4().hex)
        publish = commands.Basic.Publish(exchange="", routing_key=CREATED)
        await channel.publish_one(publish, properties, queue.encode(), timeout_s)
        await channel.close()
