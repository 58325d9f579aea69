"""Consuming from RabbitMQ: a connection per consumer, made again whenever it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic, Self, TypeVar

import structlog
from pamqp import base, commands

from ml_service.domain.errors import QueueUnavailable
from ml_service.messaging.amqp import Connection
from ml_service.messaging.amqp_channel import AmqpError, Channel, Content
from ml_service.messaging.inbox import Inbox
from ml_service.messaging.messages import UndecodableMessage, decode_results, decode_tasks, encode_tasks
from ml_service.messaging.queue import (
    DEAD_LETTERS,
    RESULTS,
    TASKS,
    QueueLimits,
    ResultDelivery,
    ResultMessage,
    TaskDelivery,
    TaskMessage,
    queue_of,
)
from ml_service.messaging.rabbitmq_dead_letters import REASON
from ml_service.messaging.rabbitmq_publisher import Outgoing, Publisher
from ml_service.messaging.rabbitmq_topology import Topology

log = structlog.get_logger(__name__)

REDELIVERED = "x-redelivered"
RECONNECT_S_MIN = 0.1

D = TypeVar("D", TaskDelivery, ResultDelivery)
Connect = Callable[[str], Awaitable[Connection]]


class _Subscription(AbstractAsyncContextManager["_Subscription[D]"], Generic[D]):
    """What the consumers of tasks and of results share: connect, subscribe, and begin again when it ends."""

    name = "consumer"

    def __init__(self, connect: Connect, limits: QueueLimits, *, messages_max: int | None = None) -> None:
        self.limits = limits
        self.inbox: Inbox[D] = Inbox(messages_max)
        self.connections = 0
        self._epoch = 0
        """Number of the connection in a receipt; `connections` counts those that came to consume."""
        self._connect = connect
        self._channel: Channel | None = None
        self._subscribed = False
        self._stopped = False
        self._ended = asyncio.Event()
        self._canceled: asyncio.Queue[str] = asyncio.Queue()
        self._unacked: dict[int, None] = {}
        """Delivery tags of this connection that the broker waits for, oldest first."""
        self._runner: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether deliveries can come at this moment."""
        return self._subscribed and self._channel is not None and self._channel.error is None

    async def get_batch(self, messages_max: int, wait_ms: float, timeout_s: float | None = None) -> list[D]:
        """See `queue.TaskConsumer.get_batch`."""
        return await self.inbox.get_batch(messages_max, wait_ms, timeout_s)

    async def ack(self, deliveries: Sequence[D]) -> None:
        """See `queue.TaskConsumer.ack`: one multiple ack for what is oldest, single ones for the rest, one write."""
        tags = {tag for number, tag in (d.receipt for d in deliveries) if number == self._epoch}
        tags &= self._unacked.keys()
        upto = 0
        for tag in self._unacked:
            if tag not in tags:
                break
            upto = tag
        frames = [commands.Basic.Ack(upto, multiple=True)] if upto else []
        frames += [commands.Basic.Ack(tag) for tag in sorted(tags) if tag > upto]
        for tag in tags:
            del self._unacked[tag]
        self._send(*frames)

    async def __aenter__(self) -> Self:
        self._runner = asyncio.create_task(self._run(), name=self.name)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait([self._runner])

    async def subscribe(self, connection: Connection, channel: Channel) -> None:
        """Declare and consume; called on each new connection."""
        raise NotImplementedError

    async def resubscribe(self, channel: Channel, tag: str) -> None:
        """The broker has ended the consumer ``tag``: its queue was deleted."""
        del channel
        raise AmqpError(f"the broker ended the consumer {tag}")

    def receive(self, content: Content, delivery: commands.Basic.Deliver) -> None:
        """Decode what came and put it into the inbox, or answer for it."""
        raise NotImplementedError

    def track(self, tag: int) -> tuple[int, int]:
        """Remember that the broker waits for ``tag``; returns the receipt."""
        self._unacked[tag] = None
        return self._epoch, tag

    def nack(self, deliveries: Sequence[D], *, requeue: bool) -> None:
        """Give these back, or let the broker dead-letter them."""
        tags = [tag for number, tag in (d.receipt for d in deliveries) if number == self._epoch]
        self.nack_tags([tag for tag in tags if tag in self._unacked], requeue=requeue)

    def nack_tags(self, tags: Sequence[int], *, requeue: bool) -> None:
        """As `nack`, by tags."""
        for tag in tags:
            self._unacked.pop(tag, None)
        self._send(*[commands.Basic.Nack(tag, multiple=False, requeue=requeue) for tag in tags])

    def _send(self, *methods: base.Frame) -> None:
        # Lost meanwhile: the broker gives the messages to somebody else, and the database knows what is done.
        if methods and self._channel is not None and self._channel.error is None:
            self._channel.send(*methods)

    def _deliver(self, content: Content) -> None:
        if isinstance(content.method, commands.Basic.Deliver):
            self.receive(content, content.method)

    async def _run(self) -> None:
        """Serve one connection after another; ends only by being cancelled."""
        pause_s = RECONNECT_S_MIN
        while True:
            connection: Connection | None = None
            try:
                connection = await self._connect(self.name)
                await self._begin(connection)
                pause_s = RECONNECT_S_MIN
                log.info("consumer_connected", consumer=self.name, connections=self.connections)
                await self._serve()
            except (AmqpError, OSError) as error:
                log.warning(
                    "consumer_disconnected", consumer=self.name, reason=str(error) or "no answer", again_in_s=pause_s
                )
            except Exception:
                # A bug must not leave a consumer silent for ever.
                log.exception("consumer_failed", consumer=self.name, again_in_s=pause_s)
            finally:
                self._channel, self._subscribed = None, False
                self._unacked.clear()
                self.inbox.clear()
                if connection is not None:
                    await connection.close()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, self.limits.reconnect_s_max)

    async def _begin(self, connection: Connection) -> None:
        self._ended = ended = asyncio.Event()
        canceled: asyncio.Queue[str] = asyncio.Queue()
        self._canceled = canceled
        channel = await connection.open_channel(timeout_s=self.limits.timeout_s)
        channel.on_delivery = self._deliver
        channel.on_lost = lambda _: ended.set()

        def cancel(tag: str) -> None:
            canceled.put_nowait(tag)
            ended.set()

        channel.on_cancel = cancel
        self._channel = channel
        self._epoch += 1
        if not self._stopped:
            await self.subscribe(connection, channel)
        self._subscribed = True
        self.connections += 1

    async def _serve(self) -> None:
        channel = self._channel
        while channel is not None:
            await self._ended.wait()
            if channel.error is not None:
                raise channel.error
            self._ended.clear()
            while not self._canceled.empty():
                await self.resubscribe(channel, self._canceled.get_nowait())


class RabbitTaskConsumer(_Subscription[TaskDelivery]):
    """Takes tasks of some pools; see `queue.TaskConsumer`."""

    name = "tasks"

    def __init__(
        self,
        connect: Connect,
        topology: Topology,
        publisher: Publisher,
        pools: Sequence[str],
        prefetch: int,
    ) -> None:
        super().__init__(connect, topology.limits)
        self._topology = topology
        self._publisher = publisher
        self._pools = tuple(dict.fromkeys(pools))
        self._prefetch = prefetch
        self._resting: set[asyncio.Task[None]] = set()

    async def subscribe(self, connection: Connection, channel: Channel) -> None:
        """Consume the queue of each pool; the prefetch is each one's own."""
        await channel.call(commands.Basic.Qos(0, self._prefetch, False), self.limits.timeout_s)  # noqa: FBT003
        for pool in self._pools:
            await self._consume(connection, channel, pool)

    async def resubscribe(self, channel: Channel, tag: str) -> None:
        """A queue was deleted: make it anew. What this consumer holds of other queues is kept."""
        log.warning("queue_lost", queue=queue_of(tag))
        await self._consume(channel.connection, channel, tag)

    async def requeue(self, deliveries: Sequence[TaskDelivery]) -> None:
        """See `queue.TaskConsumer.requeue`.

        They rest here, unacked, so that the prefetch slows this consumer; a nack at once would spin.
        """
        task = asyncio.create_task(self._give_back_later(list(deliveries)))
        self._resting.add(task)
        task.add_done_callback(self._resting.discard)

    async def reject(self, delivery: TaskDelivery, reason: str) -> None:
        """See `queue.TaskConsumer.reject`. A copy carries the reason; the broker's own word is only "rejected"."""
        copy = Outgoing(DEAD_LETTERS, "", encode_tasks(delivery.message), {REASON: reason[:1000]})
        try:
            await self._publisher.publish([copy])
        except QueueUnavailable:
            self.nack([delivery], requeue=False)
        else:
            await self.ack([delivery])

    async def stop(self) -> None:
        """See `queue.TaskConsumer.stop`."""
        self._stopped = True
        channel = self._channel
        if channel is not None and channel.error is None:
            try:
                for pool in self._pools:
                    await channel.call(commands.Basic.Cancel(consumer_tag=pool), self.limits.timeout_s)
            except (AmqpError, TimeoutError):
                return
        self.nack(self.inbox.clear(), requeue=True)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._resting:
            task.cancel()
        if self._resting:
            await asyncio.wait(self._resting)
        # Closing the connection gives back what is not acked.
        await super().__aexit__(kind, error, trace)

    def receive(self, content: Content, delivery: commands.Basic.Deliver) -> None:
        """Hand out a task; what is none goes to the dead letters."""
        tag = delivery.delivery_tag or 0
        receipt = self.track(tag)
        try:
            message = decode_tasks(content.body)
        except UndecodableMessage as error:
            log.warning("undecodable_message", queue=delivery.routing_key, reason=str(error))
            self.nack_tags([tag], requeue=False)
            return
        headers = content.properties.headers or {}
        redelivered = bool(delivery.redelivered or headers.get(REDELIVERED))
        self.inbox.put(TaskDelivery(message, redelivered, receipt))

    async def _consume(self, connection: Connection, channel: Channel, pool: str) -> None:
        await self._topology.ensure_pool(connection, pool)
        await channel.call(commands.Basic.Consume(queue=queue_of(pool), consumer_tag=pool), self.limits.timeout_s)

    async def _give_back_later(self, deliveries: list[TaskDelivery]) -> None:
        await asyncio.sleep(self.limits.requeue_delay_s)
        # A copy, not a nack: RabbitMQ 3.10 counts nacks towards the delivery limit, and waiting is nobody's fault.
        alive = [d for d in deliveries if d.receipt[0] == self._epoch and d.receipt[1] in self._unacked]
        copies = [_copy(delivery.message) for delivery in alive]
        try:
            await self._publisher.publish(copies)
        except QueueUnavailable:
            self.nack(alive, requeue=True)
        else:
            await self.ack(alive)


class RabbitResultConsumer(_Subscription[ResultDelivery]):
    """Reads results, live or from the durable queue; see `queue.ResultConsumer`."""

    name = "results"

    def __init__(self, connect: Connect, topology: Topology, name: str | None) -> None:
        super().__init__(
            connect, topology.limits, messages_max=topology.limits.live_results_max if name is None else None
        )
        self._durable_name = name

    async def subscribe(self, connection: Connection, channel: Channel) -> None:
        """Consume the durable queue, or one that lives as long as this connection."""
        del connection  # everything was declared when it was opened
        timeout_s = self.limits.timeout_s
        if self._durable_name is not None:
            await channel.call(commands.Basic.Qos(0, 256, False), timeout_s)  # noqa: FBT003
            await channel.call(commands.Basic.Consume(queue=self._durable_name), timeout_s)
            return
        declare = commands.Queue.Declare(
            queue="",
            exclusive=True,
            auto_delete=True,
            arguments={"x-max-length": self.limits.live_results_max},
        )
        declared = await channel.call(declare, timeout_s)
        queue = str(declared.queue) if isinstance(declared, commands.Queue.DeclareOk) else ""
        await channel.call(commands.Queue.Bind(queue=queue, exchange=RESULTS, routing_key=""), timeout_s)
        await channel.call(commands.Basic.Consume(queue=queue, no_ack=True, exclusive=True), timeout_s)

    def receive(self, content: Content, delivery: commands.Basic.Deliver) -> None:
        """Hand out results; what is none is dropped, for the table has them all."""
        tag = delivery.delivery_tag or 0
        receipt = (self._epoch, tag) if self._durable_name is None else self.track(tag)
        try:
            message: ResultMessage = decode_results(content.body)
        except UndecodableMessage as error:
            log.warning("undecodable_message", queue=RESULTS, reason=str(error))
            self._unacked.pop(tag, None)
            if self._durable_name is not None:
                self._send(commands.Basic.Ack(tag))
            return
        self.inbox.put(ResultDelivery(message, bool(delivery.redelivered), receipt))


def _copy(message: TaskMessage) -> Outgoing:
    return Outgoing(TASKS, message.pool, encode_tasks(message), {REDELIVERED: True})
