"""One AMQP channel over `amqp.Connection`; see there why this client is our own."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pamqp.frame
from pamqp import base, commands, header

if TYPE_CHECKING:
    from ml_service.messaging.amqp import Connection

FRAME_METHOD, FRAME_HEADER, FRAME_BODY, FRAME_HEARTBEAT = 1, 2, 3, 8
FRAME_HEAD = struct.Struct(">BHI")
FRAME_END = b"\xce"
NOT_FOUND = 404

Method = base.Frame


class AmqpError(Exception):
    """The connection or the channel is of no more use. ``code`` is AMQP's, 0 where there is none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Content:
    """A message that came: by ``basic.deliver``, ``basic.get-ok`` or ``basic.return``."""

    method: Method
    properties: commands.Basic.Properties
    body: bytes


class Channel:
    """One AMQP channel: a question at a time, and callbacks for what the broker sends by itself."""

    def __init__(self, connection: Connection, number: int) -> None:
        self.connection = connection
        self.number = number
        self.error: AmqpError | None = None
        self.on_delivery: Callable[[Content], None] = _ignore
        self.on_return: Callable[[Content], None] = _ignore
        self.on_confirm: Callable[[commands.Basic.Ack | commands.Basic.Nack], None] = _ignore
        self.on_cancel: Callable[[str], None] = _ignore
        self.on_lost: Callable[[AmqpError], None] = _ignore
        self._turn = asyncio.Lock()
        self._reply: asyncio.Future[Method | Content | AmqpError] | None = None
        self._incoming: tuple[Method, header.ContentHeader] | None = None
        self._parts: list[bytes] = []
        self._missing_bytes = 0

    async def call(self, method: Method, timeout_s: float = 5.0) -> Method | Content:
        """Send ``method`` and wait for its answer.

        Raises:
            AmqpError: The broker closed the channel instead, or the connection is lost.
            TimeoutError: It does not answer. The connection is aborted: nobody knows its state.
        """
        async with self._turn:
            self.send(method)
            self._reply = asyncio.get_running_loop().create_future()
            try:
                async with asyncio.timeout(timeout_s):
                    reply = await self._reply
            except BaseException:
                # The answer may still come; it must not be taken for the next question's.
                self.connection.abort("a question was given up")
                raise
            finally:
                self._reply = None
        if isinstance(reply, AmqpError):
            raise reply
        return reply

    def send(self, *methods: Method) -> None:
        """Write ``methods`` without waiting, all in one go.

        Raises:
            AmqpError: The channel is closed.
        """
        if self.error is not None:
            raise self.error
        self.connection.write(b"".join([pamqp.frame.marshal(method, self.number) for method in methods]))

    def encode_publish(
        self, method: commands.Basic.Publish, properties: commands.Basic.Properties, body: bytes
    ) -> bytes:
        """The frames of one message, to be joined with others and written at once."""
        frames = [
            pamqp.frame.marshal(method, self.number),
            pamqp.frame.marshal(header.ContentHeader(body_size=len(body), properties=properties), self.number),
        ]
        step = self.connection.frame_bytes_max - FRAME_HEAD.size - 1
        for start in range(0, len(body), step):
            part = body[start : start + step]
            frames += (FRAME_HEAD.pack(FRAME_BODY, self.number, len(part)), part, FRAME_END)
        return b"".join(frames)

    async def publish_one(
        self,
        method: commands.Basic.Publish,
        properties: commands.Basic.Properties,
        body: bytes,
        timeout_s: float = 5.0,
    ) -> None:
        """Publish on a channel with confirms and wait for the broker's word.

        Raises:
            AmqpError: It was refused, or the connection is lost.
            TimeoutError: No word came.
        """
        done: asyncio.Future[Method | AmqpError] = asyncio.get_running_loop().create_future()

        def hear(word: Method | AmqpError) -> None:
            if not done.done():
                done.set_result(word)

        self.on_confirm = hear
        self.on_lost = hear
        self.connection.write(self.encode_publish(method, properties, body))
        async with asyncio.timeout(timeout_s):
            word = await done
        if isinstance(word, AmqpError):
            raise word
        if isinstance(word, commands.Basic.Nack):
            raise AmqpError("the broker refused the message")

    async def close(self, timeout_s: float = 2.0) -> None:
        """Close it; no error if it is closed."""
        if self.error is None:
            with contextlib.suppress(AmqpError, TimeoutError):
                await self.call(commands.Channel.Close(200, "bye", 0, 0), timeout_s)
            self.lose(AmqpError("the channel was closed"))
        self.connection.channels.pop(self.number, None)

    def lose(self, error: AmqpError) -> None:
        """Mark it as gone and tell who waits."""
        if self.error is None:
            self.error = error
            if self._reply is not None and not self._reply.done():
                self._reply.set_result(error)
            self.on_lost(error)

    def receive_method(self, method: Method) -> None:
        """Handle a method frame of this channel."""
        if isinstance(method, commands.Basic.Deliver | commands.Basic.GetOk | commands.Basic.Return):
            self._incoming = (method, header.ContentHeader())
        elif isinstance(method, commands.Basic.Ack | commands.Basic.Nack):
            self.on_confirm(method)
        elif isinstance(method, commands.Basic.Cancel):
            self._acknowledge_cancel(method)
            self.on_cancel(method.consumer_tag or "")
        elif isinstance(method, commands.Channel.Close):
            self.connection.write(pamqp.frame.marshal(commands.Channel.CloseOk(), self.number))
            self.connection.channels.pop(self.number, None)
            self.lose(AmqpError(method.reply_text or "closed by the broker", method.reply_code or 0))
        elif isinstance(method, commands.Channel.Flow):
            self.send(commands.Channel.FlowOk(method.active))
        else:
            self._answer(method)

    def receive_header(self, content: header.ContentHeader) -> None:
        """Handle a content header: so many bytes follow."""
        if self._incoming is not None:
            self._incoming = (self._incoming[0], content)
            self._missing_bytes, self._parts = content.body_size, []
            if not self._missing_bytes:
                self._complete()

    def receive_body(self, part: bytes) -> None:
        """Handle a part of a body."""
        self._parts.append(part)
        self._missing_bytes -= len(part)
        if self._missing_bytes <= 0:
            self._complete()

    def _complete(self) -> None:
        if self._incoming is None:
            return
        (method, content), self._incoming = self._incoming, None
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        message = Content(method, content.properties or commands.Basic.Properties(), body)
        if isinstance(method, commands.Basic.Deliver):
            self.on_delivery(message)
        elif isinstance(method, commands.Basic.Return):
            self.on_return(message)
        else:
            self._answer(message)

    def _answer(self, reply: Method | Content) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_result(reply)

    def _acknowledge_cancel(self, method: commands.Basic.Cancel) -> None:
        # RabbitMQ 4.3 holds the tag until it is answered; older ones close the channel on an answer.
        capabilities = self.connection.server_properties.get("capabilities", {})
        if capabilities.get("accept_consumer_cancel_ok"):
            self.send(commands.Basic.CancelOk(consumer_tag=method.consumer_tag))


def _ignore(_: object) -> None:
    """What nobody listens to."""
