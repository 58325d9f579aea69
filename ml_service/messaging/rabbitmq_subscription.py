"""A consumer's connection to RabbitMQ: its own, made again whenever it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Generic, Self, TypeVar

import structlog
from pamqp import base, commands

from ml_service.messaging.amqp import Connection
from ml_service.messaging.amqp_channel import AmqpError, Channel, Content
from ml_service.messaging.inbox import Inbox
from ml_service.messaging.queue import QueueLimits, ResultDelivery, TaskDelivery

log = structlog.get_logger(__name__)

RECONNECT_S_MIN = 0.1

D = TypeVar("D", TaskDelivery, ResultDelivery)
Connect = Callable[[str], Awaitable[Connection]]


class Subscription(AbstractAsyncContextManager["Subscription[D]"], Generic[D]):
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

    async def refit(self, channel: Channel) -> None:
        """Called when `wants_refit` was."""

    def wants_refit(self) -> None:
        """Have `refit` called soon."""
        self._ended.set()

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
            await self.refit(channel)
