"""A consumer's own connection to RabbitMQ, reopened whenever it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic, Self, TypeVar

import structlog
from pamqp import base, commands

from ml_service.messaging.delivery_buffer import DeliveryBuffer
from ml_service.messaging.queue import QueueLimits, ResultDelivery, TaskDelivery
from ml_service.messaging.rabbitmq.client.channel import AmqpError, Channel, Content
from ml_service.messaging.rabbitmq.client.connection import AmqpConnection

log = structlog.get_logger(__name__)

RECONNECT_S_MIN = 0.1

D = TypeVar("D", TaskDelivery, ResultDelivery)
Connect = Callable[[str], Awaitable[AmqpConnection]]


class Subscription(AbstractAsyncContextManager["Subscription[D]"], Generic[D]):
    """What the consumers of tasks and of results share: connect, subscribe, and start over when the connection ends."""

    name = "consumer"

    def __init__(self, connect: Connect, limits: QueueLimits, *, messages_max: int | None = None) -> None:
        self.limits = limits
        self.buffer: DeliveryBuffer[D] = DeliveryBuffer(messages_max)
        self.connections = 0
        self._epoch = 0
        """Number of the connection in a receipt; `connections` counts only those that got as far as consuming."""
        self._connect = connect
        self._connection: AmqpConnection | None = None
        self._channel: Channel | None = None
        self._subscribed = False
        self._stopped = False
        self._ended = asyncio.Event()
        self._canceled: asyncio.Queue[str] = asyncio.Queue()
        self._unacked: dict[int, None] = {}
        """Delivery tags of this connection that are not acked yet, oldest first."""
        self._runner: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether deliveries can arrive now."""
        return self._subscribed and self._channel is not None and self._channel.error is None

    async def get_batch(self, messages_max: int, wait_ms: float, timeout_s: float | None = None) -> list[D]:
        """See `queue.TaskConsumer.get_batch`."""
        return await self.buffer.get_batch(messages_max, wait_ms, timeout_s)

    async def ack(self, deliveries: Sequence[D]) -> None:
        """See `queue.TaskConsumer.ack`: one multiple ack for the oldest, single ones for the rest, one write."""
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

    async def subscribe(self, connection: AmqpConnection, channel: Channel) -> None:
        """Declare and consume; called on each new connection."""
        raise NotImplementedError

    async def resubscribe(self, connection: AmqpConnection, channel: Channel, tag: str) -> None:
        """The broker has ended the consumer ``tag``, because its queue was deleted."""
        del connection, channel
        raise AmqpError(f"the broker ended the consumer {tag}")

    async def refit(self, channel: Channel) -> None:
        """Consume with another prefetch; called soon after `wants_refit`."""

    def wants_refit(self) -> None:
        """Have `refit` called soon, by the task that owns the channel."""
        self._ended.set()

    def receive(self, content: Content, delivery: commands.Basic.Deliver) -> None:
        """Decode what arrived and put it into the buffer, or settle it with the broker."""
        raise NotImplementedError

    def track(self, tag: int) -> tuple[int, int]:
        """Remember that ``tag`` is not acked yet; returns the receipt."""
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
        # If the connection is lost, the broker gives the messages to another consumer; the database knows what is done.
        if methods and self._channel is not None and self._channel.error is None:
            self._channel.send(*methods)

    def _deliver(self, content: Content) -> None:
        if isinstance(content.method, commands.Basic.Deliver):
            self.receive(content, content.method)

    async def _run(self) -> None:
        """Serve one connection after another until cancelled."""
        pause_s = RECONNECT_S_MIN
        while True:
            connection: AmqpConnection | None = None
            try:
                connection = await self._connect(self.name)
                channel = await self._begin(connection)
                pause_s = RECONNECT_S_MIN
                log.info("consumer_connected", consumer=self.name, connections=self.connections)
                await self._serve(connection, channel)
            except (AmqpError, OSError) as error:
                log.warning(
                    "consumer_disconnected", consumer=self.name, reason=str(error) or "no answer", again_in_s=pause_s
                )
            except Exception:
                # A bug must not leave a consumer silent forever.
                log.exception("consumer_failed", consumer=self.name, again_in_s=pause_s)
            finally:
                self._connection, self._channel, self._subscribed = None, None, False
                self._unacked.clear()
                self.buffer.clear()
                if connection is not None:
                    await connection.close()
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, self.limits.reconnect_s_max)

    async def _begin(self, connection: AmqpConnection) -> Channel:
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
        self._connection, self._channel = connection, channel
        self._epoch += 1
        if not self._stopped:
            await self.subscribe(connection, channel)
        self._subscribed = True
        self.connections += 1
        return channel

    async def _serve(self, connection: AmqpConnection, channel: Channel) -> None:
        while True:
            await self._ended.wait()
            if channel.error is not None:
                raise channel.error
            self._ended.clear()
            while not self._canceled.empty():
                await self.resubscribe(connection, channel, self._canceled.get_nowait())
            await self.refit(channel)
