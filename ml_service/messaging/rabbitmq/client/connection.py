"""A connection to one broker: an `asyncio.Protocol` that hands frames to its channels.

Nothing is hidden: a lost connection stays lost, every request has a time limit, and `abort` ends the connection at
once, even if the broker is frozen. Reconnecting is left to `publishing` and `subscription`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, cast

from pamqp import commands, header
from pamqp.common import FieldTable

from ml_service.messaging.rabbitmq.client.address import BrokerAddress
from ml_service.messaging.rabbitmq.client.channel import AmqpError, Channel
from ml_service.messaging.rabbitmq.client.frames import (
    FRAME_BODY,
    FRAME_BYTES_MAX,
    FRAME_BYTES_MIN,
    FRAME_HEARTBEAT,
    HEARTBEAT,
    AmqpFrameReader,
    FrameError,
    body_of,
    decode_frame,
    encode_methods,
)

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
LOGIN_S_MAX = 30.0
"""`open_connection` has a limit for all of it; this only bounds a caller that forgot one."""
WRITE_BUFFER_BYTES = 1024 * 1024


class AmqpConnection(asyncio.Protocol):
    """A connection to one broker; made by `open_connection`, never reconnected."""

    def __init__(self, heartbeat_s: int) -> None:
        self.server_properties: Mapping[str, Any] = {}
        self.frame_bytes_max = FRAME_BYTES_MAX
        self.blocked: str | None = None
        """Why the broker accepts no messages now (a memory or disk alarm); None if it does."""
        self.error: AmqpError | None = None
        self._channels: dict[int, Channel] = {}
        self._control = Channel(self, 0)
        self._reader = AmqpFrameReader()
        self._heartbeat_s = heartbeat_s
        self._transport: asyncio.Transport | None = None
        self._lost = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._loop = asyncio.get_running_loop()
        self._heard_at = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None

    async def handshake(self, address: BrokerAddress, name: str) -> None:
        """Log in and open the virtual host; called by `open_connection` within its time limit.

        Raises:
            AmqpError: The broker refuses us, or asks for something we do not support.
        """
        control = self._control
        self.write(PROTOCOL_HEADER)
        start = await control.wait_for_reply(LOGIN_S_MAX, commands.Connection.Start.name)
        self.server_properties = dict(getattr(start, "server_properties", None) or {})
        properties: FieldTable = {
            "product": "ML Service",
            "connection_name": name,
            "capabilities": {
                "authentication_failure_close": True,
                "basic.nack": True,
                "connection.blocked": True,
                "consumer_cancel_notify": True,
                "publisher_confirms": True,
            },
        }
        login = f"\0{address.user}\0{address.password}"
        tune = await control.call(commands.Connection.StartOk(properties, "PLAIN", login, "en_US"), LOGIN_S_MAX)
        if not isinstance(tune, commands.Connection.Tune):
            raise AmqpError(f"the broker did not accept the login: {tune}")
        frame_bytes_max = tune.frame_max or FRAME_BYTES_MAX  # 0 means no limit
        if frame_bytes_max < FRAME_BYTES_MIN:
            raise AmqpError(f"the broker's frames are too small: {frame_bytes_max} bytes")
        self.frame_bytes_max = self._reader.frame_bytes_max = frame_bytes_max
        control.send(commands.Connection.TuneOk(tune.channel_max, frame_bytes_max, self._heartbeat_s))
        await control.call(commands.Connection.Open(virtual_host=address.vhost), LOGIN_S_MAX)
        self._beat()

    async def open_channel(self, *, confirms: bool = False, timeout_s: float = 5.0) -> Channel:
        """Open a channel; with ``confirms`` the broker confirms each message published on it.

        Raises:
            AmqpError: The connection is lost.
            TimeoutError: The broker does not answer.
        """
        if self.error is not None:
            raise self.error
        number = max(self._channels, default=0) + 1
        channel = self._channels[number] = Channel(self, number)
        await channel.call(commands.Channel.Open(), timeout_s)
        if confirms:
            await channel.call(commands.Confirm.Select(), timeout_s)
        return channel

    def write(self, data: bytes) -> None:
        """Hand ``data`` to the transport; it is dropped if the connection is lost."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def release(self, number: int) -> None:
        """Forget a closed channel; its number may be used again."""
        self._channels.pop(number, None)

    async def drain(self) -> None:
        """Wait until the broker has read most of what was written.

        Raises:
            AmqpError: The connection is lost.
        """
        await self._writable.wait()
        if self.error is not None:
            raise self.error

    def abort(self, reason: str) -> None:
        """End the connection at once, without telling the broker."""
        if self._transport is not None:
            self._transport.abort()
        self._lose(AmqpError(reason))

    async def close(self, timeout_s: float = 2.0) -> None:
        """Close in good order and wait until the socket is closed; a broker that does not answer is dropped."""
        if self.error is None:
            with contextlib.suppress(AmqpError, TimeoutError):
                await self._control.call(commands.Connection.Close(200, "bye", 0, 0), timeout_s)
            if self._transport is not None:
                self._transport.close()
        self._lose(AmqpError("the connection was closed"))
        if self._transport is not None:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._lost.wait()
            except TimeoutError:
                self._transport.abort()
                await self._lost.wait()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is open."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed, by either side."""
        self._lose(AmqpError(f"the connection was lost: {exc or 'closed by the broker'}"))
        self._lost.set()

    def pause_writing(self) -> None:
        """The broker reads more slowly than we write."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The broker has caught up."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Handle each complete frame; bytes that break the protocol end the connection."""
        self._heard_at = self._loop.time()
        try:
            for kind, number, frame in self._reader.feed(data):
                if self.error is not None:
                    return
                self._receive(kind, number, frame)
        except (FrameError, AmqpError) as error:
            self.abort(f"the broker broke the protocol: {error}")

    def _receive(self, kind: int, number: int, frame: bytes) -> None:
        channel = self._channels.get(number) if number else self._control
        if kind == FRAME_HEARTBEAT or channel is None:
            return
        if kind == FRAME_BODY:
            channel.receive_body(body_of(frame))
            return
        value = decode_frame(frame)
        if isinstance(value, header.ContentHeader):
            channel.receive_header(value)
        elif isinstance(value, commands.Connection.Close):
            self.write(encode_methods(0, commands.Connection.CloseOk()))
            self._lose(AmqpError(value.reply_text or "closed by the broker", value.reply_code or 0))
            if self._transport is not None:
                self._transport.close()
        elif isinstance(value, commands.Connection.Blocked):
            self.blocked = value.reason or "an alarm"
        elif isinstance(value, commands.Connection.Unblocked):
            self.blocked = None
        else:
            channel.receive_method(value)

    def _beat(self) -> None:
        """Send a heartbeat, and notice when the broker sends none any more."""
        if self.error is not None:
            return
        if self._loop.time() - self._heard_at > 2 * self._heartbeat_s:
            self.abort(f"the broker was silent for {2 * self._heartbeat_s} s")
            return
        self.write(HEARTBEAT)
        self._timer = self._loop.call_later(self._heartbeat_s / 2, self._beat)

    def _lose(self, error: AmqpError) -> None:
        if self.error is None:
            self.error = error
            if self._timer is not None:
                self._timer.cancel()
            self._writable.set()
            for channel in [self._control, *self._channels.values()]:
                channel.lose(error)


async def open_connection(url: str, *, name: str, timeout_s: float = 5.0, heartbeat_s: int = 10) -> AmqpConnection:
    """Connect and log in.

    Args:
        url: See `BrokerAddress`.
        name: Shown by the broker's management page.
        timeout_s: Seconds for all of it.
        heartbeat_s: Seconds between signs of life, in both directions.

    Raises:
        AmqpError: The broker refuses us.
        OSError: It cannot be reached; TimeoutError (a kind of OSError) if it does not answer.
        ValueError: ``url`` is not an AMQP URL.
    """
    address = BrokerAddress.parse(url)
    connection = AmqpConnection(heartbeat_s)
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().create_connection(
                lambda: connection, address.host, address.port, ssl=address.tls
            )
            await connection.handshake(address, name)
    except BaseException:
        connection.abort("it could not be opened")
        raise
    return connection
