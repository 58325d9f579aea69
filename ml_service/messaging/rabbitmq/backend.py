"""The queue on RabbitMQ; `topology` shows its exchanges and queues."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from pamqp import commands

from ml_service.domain.errors import QueueUnavailable
from ml_service.domain.models import DEFAULT_POOL
from ml_service.messaging.messages import encode_results, encode_tasks
from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import (
    CREATED,
    DEAD_LETTERS,
    RESULTS,
    TASKS,
    DeadLetter,
    Handled,
    QueueDepth,
    QueueLimits,
    ResultConsumer,
    ResultMessage,
    TaskConsumer,
    TaskMessage,
    interrupted,
    queue_of,
)
from ml_service.messaging.rabbitmq.client.channel import AmqpError, Channel, Content
from ml_service.messaging.rabbitmq.client.connection import AmqpConnection, open_connection
from ml_service.messaging.rabbitmq.consumers import RabbitResultConsumer, RabbitTaskConsumer
from ml_service.messaging.rabbitmq.dead_letters import Replay, find_letter, list_letters, remove_letters
from ml_service.messaging.rabbitmq.publishing import ConfirmedPublisher, Outgoing
from ml_service.messaging.rabbitmq.topology import Topology, inspect

DEAD_LETTERS_TIMEOUT_S = 60.0
"""Dead letters are read one by one, and an operator can wait."""


class RabbitQueue:
    """The RabbitMQ backend of `queue.Queue`.

    One connection publishes, one asks, and each consumer has its own: a broker under an alarm stops reading from
    connections that have published, so requests must not share theirs.
    """

    def __init__(self, url: str, *, name: str, limits: QueueLimits) -> None:
        self._url = url
        self._name = name
        self._limits = limits
        self._topology = Topology(limits)
        self._publisher = ConfirmedPublisher(
            lambda: self._connect_declared("publisher"), self._repair, limits.timeout_s
        )
        self._asking: AmqpConnection | None = None
        self._asking_turn = asyncio.Lock()
        self._created: Channel | None = None
        self._created_tag = 0
        self._pools: dict[str, None] = {DEFAULT_POOL: None}
        """Pools whose queues `declare` creates: all that this process has used."""

    @property
    def connected(self) -> bool:
        """See `queue.Queue.connected`."""
        return self._publisher.connected

    async def publish_tasks(self, messages: Sequence[TaskMessage]) -> None:
        """See `queue.Queue.publish_tasks`."""
        self._pools.update(dict.fromkeys(message.pool for message in messages))
        await self._publisher.publish([Outgoing(TASKS, message.pool, encode_tasks(message)) for message in messages])

    async def publish_results(self, message: ResultMessage) -> None:
        """See `queue.Queue.publish_results`."""
        await self._publisher.publish([Outgoing(RESULTS, "", encode_results(message))])

    @asynccontextmanager
    async def consume_tasks(self, pools: Sequence[str], prefetch: Prefetch) -> AsyncIterator[TaskConsumer]:
        """See `queue.Queue.consume_tasks`."""
        self._pools.update(dict.fromkeys(pools))
        consumer = RabbitTaskConsumer(self._connect, self._topology, self._publisher, pools, prefetch)
        async with consumer:
            yield consumer

    @asynccontextmanager
    async def consume_results(self, name: str | None) -> AsyncIterator[ResultConsumer]:
        """See `queue.Queue.consume_results`."""
        consumer = RabbitResultConsumer(self._connect_declared, self._topology, name)
        async with consumer:
            yield consumer

    async def depth(self, pool: str) -> QueueDepth:
        """See `queue.Queue.depth`."""
        self._pools[pool] = None
        async with self._ask() as connection:
            found = await inspect(connection, queue_of(pool), self._limits.timeout_s)
        if found is None:
            return QueueDepth(ready=0, unacked=None, consumers=0, exists=False)
        return QueueDepth(found.message_count or 0, None, found.consumer_count or 0, exists=True)

    async def declare(self) -> bool:
        """See `queue.Queue.declare`."""
        async with self._ask() as connection:
            pools = list(self._pools)
            if not await self._topology.is_complete(connection, pools):
                await self._topology.ensure_exchanges(connection)
                for pool in pools:
                    await self._topology.ensure_pool(connection, pool)
            return await self._read_created(connection)

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """See `queue.Queue.dead_letters`."""
        async with self._ask(DEAD_LETTERS_TIMEOUT_S) as connection:
            await self._topology.ensure_exchanges(connection)
            return await list_letters(connection, limit, self._limits.timeout_s)

    async def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """See `queue.Queue.dead_letter`."""
        async with self._ask(DEAD_LETTERS_TIMEOUT_S) as connection:
            await self._topology.ensure_exchanges(connection)
            return await find_letter(connection, letter_id, self._limits.timeout_s)

    async def count_dead(self) -> int:
        """See `queue.Queue.count_dead`."""
        async with self._ask() as connection:
            found = await inspect(connection, DEAD_LETTERS, self._limits.timeout_s)
        return (found.message_count or 0) if found is not None else 0

    async def discard_dead(self, ids: Sequence[str] | None = None) -> Handled:
        """See `queue.Queue.discard_dead`."""
        return await self._remove_dead(ids, None)

    async def replay_dead(self, ids: Sequence[str] | None = None) -> Handled:
        """See `queue.Queue.replay_dead`."""
        return await self._remove_dead(ids, self.publish_tasks)

    async def close(self) -> None:
        """See `queue.Queue.close`."""
        await self._publisher.close()
        if self._asking is not None:
            await self._asking.close()
            self._asking = None

    async def _connect(self, purpose: str) -> AmqpConnection:
        limits = self._limits
        return await open_connection(
            self._url,
            name=f"{self._name} {purpose}",
            timeout_s=limits.timeout_s,
            heartbeat_s=limits.heartbeat_s,
        )

    async def _connect_declared(self, purpose: str) -> AmqpConnection:
        connection = await self._connect(purpose)
        try:
            await self._topology.ensure_exchanges(connection)
        except BaseException:
            connection.abort("declaring failed on it")
            raise
        return connection

    async def _repair(self, connection: AmqpConnection, routing_keys: Sequence[str]) -> None:
        await self._topology.ensure_exchanges(connection)
        for pool in routing_keys:
            if pool:
                await self._topology.ensure_pool(connection, pool)

    @asynccontextmanager
    async def _ask(self, timeout_s: float | None = None) -> AsyncIterator[AmqpConnection]:
        """The connection for requests, one request at a time; each may wait ``timeout_s``, and then take as long."""
        timeout_s = timeout_s or self._limits.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                await self._asking_turn.acquire()
        except TimeoutError as error:  # the connection is not ours to abort: one that replays letters may take longer
            raise QueueUnavailable(f"Other requests to the broker took more than {timeout_s} s.") from error
        try:
            async with asyncio.timeout(timeout_s):
                if self._asking is None or self._asking.error is not None:
                    self._asking = await self._connect("requests")
                yield self._asking
        except TimeoutError as error:
            if self._asking is not None:
                self._asking.abort("a request was not answered in time")
            raise QueueUnavailable(f"The broker did not answer in {timeout_s} s.") from error
        except (AmqpError, OSError) as error:
            raise QueueUnavailable(f"The broker is away: {error}") from error
        finally:
            self._asking_turn.release()

    async def _read_created(self, connection: AmqpConnection) -> bool:
        """Whether a queue was created. The messages of the last call are acked only now: see `Queue.declare`."""
        timeout_s = self._limits.timeout_s
        if self._created is None or self._created.error is not None:
            self._created, self._created_tag = await connection.open_channel(timeout_s=timeout_s), 0
        if self._created_tag:
            self._created.send(commands.Basic.Ack(self._created_tag, multiple=True))
            self._created_tag = 0
        while True:
            reply = await self._created.call(commands.Basic.Get(queue=CREATED), timeout_s)
            if not isinstance(reply, Content) or not isinstance(reply.method, commands.Basic.GetOk):
                return bool(self._created_tag)
            self._created_tag = reply.method.delivery_tag or 0

    async def _remove_dead(self, ids: Sequence[str] | None, replay: Replay | None) -> Handled:
        """On a connection of its own: with many letters it takes minutes, and other requests must not wait for it."""
        handled = Handled()
        try:
            connection = await self._connect("dead letters")
            try:
                await self._topology.ensure_exchanges(connection)
                await remove_letters(connection, ids, replay, handled, self._limits.timeout_s)
            finally:
                await connection.close()
        except QueueUnavailable as error:  # of the replay
            raise interrupted(error.message, handled) from error
        except (TimeoutError, AmqpError, OSError) as error:
            raise interrupted(f"The broker is away: {error}", handled) from error
        return handled
