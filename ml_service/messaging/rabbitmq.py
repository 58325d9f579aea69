"""The queue on RabbitMQ; see `rabbitmq_topology` for what stands in the broker."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import structlog
from pamqp import commands

from ml_service.domain.errors import QueueUnavailable
from ml_service.domain.models import DEFAULT_POOL
from ml_service.messaging.amqp import AmqpError, Channel, Connection, Content, open_connection
from ml_service.messaging.messages import (
    UndecodableMessage,
    decode_tasks,
    encode_results,
    encode_tasks,
)
from ml_service.messaging.queue import (
    CREATED,
    DEAD_LETTERS,
    RESULTS,
    TASKS,
    DeadLetter,
    QueueDepth,
    QueueLimits,
    ResultConsumer,
    ResultMessage,
    TaskConsumer,
    TaskMessage,
    queue_of,
)
from ml_service.messaging.rabbitmq_consumer import REASON, RabbitResultConsumer, RabbitTaskConsumer
from ml_service.messaging.rabbitmq_publisher import Outgoing, Publisher
from ml_service.messaging.rabbitmq_topology import Topology, inspect

log = structlog.get_logger(__name__)


class RabbitQueue:
    """The RabbitMQ backend of `queue.Queue`.

    Three connections at the most, and one per consumer: a broker under an alarm stops reading from those that have
    published, so questions have one of their own.
    """

    def __init__(self, url: str, *, name: str, limits: QueueLimits) -> None:
        self._url = url
        self._name = name
        self._limits = limits
        self._topology = Topology(limits)
        self._publisher = Publisher(
            lambda: self._connect_declared("publisher"), self._repair, limits.timeout_s
        )
        self._asking: Connection | None = None
        self._asking_turn = asyncio.Lock()
        self._news: Channel | None = None
        self._news_tag = 0
        self._pools: dict[str, None] = {DEFAULT_POOL: None}
        """Whose queues `declare` keeps in being: all that this process has had to do with."""

    @property
    def connected(self) -> bool:
        """See `queue.Queue.connected`."""
        return self._publisher.connected

    async def publish_tasks(self, messages: Sequence[TaskMessage]) -> None:
        """See `queue.Queue.publish_tasks`."""
        self._pools.update(dict.fromkeys(message.pool for message in messages))
        await self._publisher.publish(
            [Outgoing(TASKS, message.pool, encode_tasks(message)) for message in messages]
        )

    async def publish_results(self, message: ResultMessage) -> None:
        """See `queue.Queue.publish_results`."""
        await self._publisher.publish([Outgoing(RESULTS, "", encode_results(message))])

    @asynccontextmanager
    async def consume_tasks(self, pools: Sequence[str], prefetch: int) -> AsyncIterator[TaskConsumer]:
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
            await self._topology.ensure_exchanges(connection)
            for pool in list(self._pools):
                await self._topology.ensure_pool(connection, pool)
            return await self._hear_news(connection)

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """See `queue.Queue.dead_letters`."""
        found: list[DeadLetter] = []
        async with self._dead() as (_, contents):
            async for letter in _letters(contents(limit)):
                found.append(letter[0])
        return found

    async def discard_dead(self, ids: Sequence[str] | None = None) -> int:
        """See `queue.Queue.discard_dead`."""
        return await self._remove_dead(ids, lambda _: True)

    async def replay_dead(self, ids: Sequence[str] | None = None) -> int:
        """See `queue.Queue.replay_dead`."""
        return await self._remove_dead(ids, lambda letter: letter.message is not None, replay=True)

    async def close(self) -> None:
        """See `queue.Queue.close`."""
        await self._publisher.close()
        if self._asking is not None:
            await self._asking.close()
            self._asking = None

    async def _connect(self, purpose: str) -> Connection:
        limits = self._limits
        return await open_connection(
            self._url,
            name=f"{self._name} {purpose}",
            timeout_s=limits.timeout_s,
            heartbeat_s=limits.heartbeat_s,
        )

    async def _connect_declared(self, purpose: str) -> Connection:
        connection = await self._connect(purpose)
        try:
            await self._topology.ensure_exchanges(connection)
        except BaseException:
            connection.abort("nothing could be declared on it")
            raise
        return connection

    async def _repair(self, connection: Connection, routing_keys: Sequence[str]) -> None:
        await self._topology.ensure_exchanges(connection)
        for pool in routing_keys:
            if pool:
                await self._topology.ensure_pool(connection, pool)

    @asynccontextmanager
    async def _ask(self) -> AsyncIterator[Connection]:
        """The connection for questions, one question at a time."""
        try:
            async with asyncio.timeout(self._limits.timeout_s), self._asking_turn:
                if self._asking is None or self._asking.error is not None:
                    self._asking = await self._connect("questions")
                yield self._asking
        except TimeoutError as error:
            if self._asking is not None:
                self._asking.abort("a question was not answered in time")
            raise QueueUnavailable(f"The broker did not answer in {self._limits.timeout_s} s.") from error
        except (AmqpError, OSError) as error:
            raise QueueUnavailable(f"The broker is away: {error}") from error

    async def _hear_news(self, connection: Connection) -> bool:
        """Whether a queue was made anew. The news of the call before are acked only now: see `Queue.declare`."""
        timeout_s = self._limits.timeout_s
        if self._news is None or self._news.error is not None:
            self._news, self._news_tag = await connection.open_channel(timeout_s=timeout_s), 0
        if self._news_tag:
            self._news.send(commands.Basic.Ack(self._news_tag, multiple=True))
            self._news_tag = 0
        while True:
            reply = await self._news.call(commands.Basic.Get(queue=CREATED), timeout_s)
            if not isinstance(reply, Content) or not isinstance(reply.method, commands.Basic.GetOk):
                return bool(self._news_tag)
            self._news_tag = reply.method.delivery_tag or 0

    @asynccontextmanager
    async def _dead(
        self,
    ) -> AsyncIterator[tuple[Channel, Callable[[int | None], AsyncIterator[Content]]]]:
        """A channel on which dead letters are got one by one; those not acked go back when it is closed."""
        timeout_s = self._limits.timeout_s
        async with self._ask() as connection:
            if await inspect(connection, DEAD_LETTERS, timeout_s) is None:
                await self._topology.ensure_exchanges(connection)
            channel = await connection.open_channel(timeout_s=timeout_s)

            async def contents(limit: int | None) -> AsyncIterator[Content]:
                got = 0
                while limit is None or got < limit:
                    reply = await channel.call(commands.Basic.Get(queue=DEAD_LETTERS), timeout_s)
                    if not isinstance(reply, Content):
                        return
                    got += 1
                    yield reply

            try:
                yield channel, contents
            finally:
                await channel.close()

    async def _remove_dead(
        self, ids: Sequence[str] | None, wanted: Callable[[DeadLetter], bool], *, replay: bool = False
    ) -> int:
        chosen = None if ids is None else set(ids)
        removed = 0
        async with self._dead() as (channel, contents):
            async for letter, tag in _letters(contents(None)):
                if (chosen is not None and letter.id not in chosen) or not wanted(letter):
                    continue
                if replay and letter.message is not None:
                    await self.publish_tasks([letter.message])
                channel.send(commands.Basic.Ack(tag))
                removed += 1
        return removed


async def _letters(contents: AsyncIterator[Content]) -> AsyncIterator[tuple[DeadLetter, int]]:
    async for content in contents:
        if isinstance(content.method, commands.Basic.GetOk):
            yield _letter(content), content.method.delivery_tag or 0


def _letter(content: Content) -> DeadLetter:
    headers = content.properties.headers or {}
    deaths = headers.get("x-death") or []
    reason = str(headers.get(REASON) or (deaths[0].get("reason") if deaths else "") or "unknown")
    message: TaskMessage | None = None
    try:
        message = decode_tasks(content.body)
    except UndecodableMessage as error:
        reason = f"undecodable: {error}"
    return DeadLetter(
        id=content.properties.message_id or hashlib.sha256(content.body).hexdigest()[:32],
        body=content.body.decode(errors="replace"),
        reason=reason,
        message=message,
        since=deaths[0].get("time") if deaths else content.properties.timestamp,
    )
