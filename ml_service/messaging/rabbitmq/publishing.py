"""Publishing to RabbitMQ: bursts in pipelined windows, each message confirmed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import structlog
from pamqp import commands

from ml_service.domain.errors import QueueUnavailable
from ml_service.messaging.rabbitmq.client.channel import AmqpError, Channel, Content
from ml_service.messaging.rabbitmq.client.connection import AmqpConnection
from ml_service.messaging.rabbitmq.topology import PERSISTENT

log = structlog.get_logger(__name__)

WINDOW = 256
"""Messages written in one go. Up to two windows are unconfirmed: the broker works while we write the next."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish. ``headers`` are AMQP's; None if it has none."""

    exchange: str
    routing_key: str
    body: bytes
    headers: dict[str, Any] | None = None


class _Window:
    """Messages that were written together; ``done`` resolves when the broker has answered for each."""

    def __init__(self, pending: int) -> None:
        self.pending = pending
        self.refused = 0
        self.unroutable: list[str] = []
        self.done: asyncio.Future[AmqpError | None] = asyncio.get_running_loop().create_future()

    def settle(self, *, refused: bool) -> None:
        self.pending -= 1
        self.refused += refused
        if not self.pending:
            self.finish(None)

    def finish(self, error: AmqpError | None) -> None:
        if not self.done.done():
            self.done.set_result(error)


class _ConfirmChannel:
    """A channel in confirm mode and the windows that are not confirmed yet."""

    def __init__(self, connection: AmqpConnection, channel: Channel) -> None:
        self.connection = connection
        self.channel = channel
        self._numbers = count(1)
        self._prefix = uuid4().hex
        self._waiting: dict[int, _Window] = {}
        channel.on_confirm = self._confirm
        channel.on_return = self._returned
        channel.on_lost = self._lost

    def send(self, messages: Sequence[Outgoing]) -> _Window:
        if self.channel.error is not None:
            raise self.channel.error
        window = _Window(len(messages))
        frames = []
        for message in messages:
            number = next(self._numbers)
            self._waiting[number] = window
            publish = commands.Basic.Publish(exchange=message.exchange, routing_key=message.routing_key, mandatory=True)
            properties = commands.Basic.Properties(
                content_type="application/json",
                delivery_mode=PERSISTENT,
                message_id=f"{self._prefix}-{number}",
                headers=message.headers,
            )
            frames.append(self.channel.encode_publish(publish, properties, message.body))
        self.connection.write(b"".join(frames))
        return window

    def _confirm(self, answer: commands.Basic.Ack | commands.Basic.Nack) -> None:
        refused = isinstance(answer, commands.Basic.Nack)
        last = answer.delivery_tag or 0
        if not answer.multiple:
            numbers = [last] if last in self._waiting else []
        else:
            numbers = []
            for number in self._waiting:  # in the order of publishing
                if number > last:
                    break
                numbers.append(number)
        for number in numbers:
            self._waiting.pop(number).settle(refused=refused)

    def _returned(self, content: Content) -> None:
        # A returned message is still confirmed afterwards; its id tells us the window.
        number = (content.properties.message_id or "").rpartition("-")[2]
        window = self._waiting.get(int(number)) if number.isdigit() else None
        if window is not None and isinstance(content.method, commands.Basic.Return):
            window.unroutable.append(content.method.routing_key or "")

    def _lost(self, error: AmqpError) -> None:
        windows = set(self._waiting.values())
        self._waiting.clear()
        for window in windows:
            window.finish(error)


class ConfirmedPublisher:
    """Owns the publishing connection; opens it when it is needed, and again after it was lost."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[AmqpConnection]],
        repair: Callable[[AmqpConnection, Sequence[str]], Awaitable[None]],
        timeout_s: float,
    ) -> None:
        """Prepare it; nothing is opened yet.

        Args:
            connect: Opens a connection and declares exchanges and queues on it.
            repair: Creates the task queues of the pools (routing keys) that a message could not be routed to.
            timeout_s: Seconds for connecting, and for the confirms of each window.
        """
        self._connect = connect
        self._repair = repair
        self._timeout_s = timeout_s
        self._confirming: _ConfirmChannel | None = None
        self._opening = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Whether the connection is open and the broker accepts messages on it."""
        confirming = self._confirming
        return confirming is not None and confirming.channel.error is None and not confirming.connection.blocked

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Send all messages; return when all are confirmed.

        A task whose queue is missing is sent a second time, after its queue was created.

        Raises:
            QueueUnavailable: A message was not confirmed in time, was refused, or could not be routed.
        """
        if not messages:
            return
        unroutable = await self._publish(messages)
        if unroutable:
            again = [message for message in messages if message.routing_key in unroutable]
            log.warning("messages_unroutable", routing_keys=sorted(unroutable), messages=len(again))
            try:
                await self._repair((await self._open()).connection, sorted(unroutable))
            except (AmqpError, OSError) as error:
                raise QueueUnavailable(f"The queue is missing and cannot be created: {error}") from error
            if await self._publish(again):
                raise QueueUnavailable("The queue is missing.")

    async def close(self) -> None:
        """Close the connection; publishes that are not confirmed yet fail."""
        confirming, self._confirming = self._confirming, None
        if confirming is not None:
            await confirming.connection.close()

    async def _publish(self, messages: Sequence[Outgoing]) -> set[str]:
        """Send all once; returns the routing keys that have no queue."""
        unconfirmed: list[_Window] = []
        unroutable: set[str] = set()
        confirming: _ConfirmChannel | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                confirming = await self._open()
            for start in range(0, len(messages), WINDOW):
                async with asyncio.timeout(self._timeout_s):
                    await confirming.connection.drain()
                    unconfirmed.append(confirming.send(messages[start : start + WINDOW]))
                    if len(unconfirmed) > 1:
                        unroutable |= await _finished(unconfirmed.pop(0))
            async with asyncio.timeout(self._timeout_s):
                for window in unconfirmed:
                    unroutable |= await _finished(window)
        except TimeoutError as error:
            # The broker may be frozen, or block us. The next publish starts with a new connection.
            if confirming is not None:
                confirming.connection.abort("a publish was not confirmed in time")
            raise QueueUnavailable(f"The broker did not confirm in {self._timeout_s} s.") from error
        except (AmqpError, OSError) as error:
            raise QueueUnavailable(f"The broker is away: {error}") from error
        return unroutable

    async def _open(self) -> _ConfirmChannel:
        async with self._opening:
            confirming = self._confirming
            if confirming is not None and confirming.channel.error is None:
                if confirming.connection.blocked:
                    raise AmqpError(f"it accepts no messages now: {confirming.connection.blocked}")
                return confirming
            if confirming is not None:
                await confirming.connection.close()
            connection = await self._connect()
            try:
                channel = await connection.open_channel(confirms=True, timeout_s=self._timeout_s)
            except BaseException:
                connection.abort("its channel could not be opened")
                raise
            self._confirming = _ConfirmChannel(connection, channel)
            return self._confirming


async def _finished(window: _Window) -> set[str]:
    error = await window.done
    if error is not None:
        raise error
    if window.refused:
        raise AmqpError(f"it refused {window.refused} messages: the queue is full")
    return set(window.unroutable)
