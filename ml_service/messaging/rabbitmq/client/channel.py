"""One AMQP channel: requests with answers, and callbacks for what the broker sends unasked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pamqp import base, commands, header

from ml_service.messaging.rabbitmq.client.frames import FrameError, encode_message, encode_methods

NOT_FOUND = 404
CONTENT_BYTES_MAX = 512 * 1024
"""The rest of a longer body is dropped: our messages are shorter, and a stranger's must not fill our memory."""

Method = base.Frame


class AmqpError(Exception):
    """The connection or the channel cannot be used any more. ``code`` is AMQP's reply code, 0 if there is none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Content:
    """A message that arrived with ``basic.deliver``, ``basic.get-ok`` or ``basic.return``."""

    method: Method
    properties: commands.Basic.Properties
    body: bytes


class Link(Protocol):
    """What a channel needs of its connection."""

    @property
    def frame_bytes_max(self) -> int:
        """Size of the largest frame that both ends accept."""

    @property
    def server_properties(self) -> Mapping[str, Any]:
        """What the broker said of itself."""

    def write(self, data: bytes) -> None:
        """Hand ``data`` to the socket."""

    def abort(self, reason: str) -> None:
        """End the connection at once."""

    def release(self, number: int) -> None:
        """Forget the channel ``number``."""


class Channel:
    """One AMQP channel, opened by `AmqpConnection.open_channel`: one request at a time."""

    def __init__(self, link: Link, number: int) -> None:
        self.number = number
        self.error: AmqpError | None = None
        self.on_delivery: Callable[[Content], None] = _ignore
        self.on_return: Callable[[Content], None] = _ignore
        self.on_confirm: Callable[[commands.Basic.Ack | commands.Basic.Nack], None] = _ignore
        self.on_cancel: Callable[[str], None] = _ignore
        self.on_lost: Callable[[AmqpError], None] = _ignore
        self._link = link
        self._turn = asyncio.Lock()
        self._reply: asyncio.Future[Method | Content | AmqpError] | None = None
        self._expected: frozenset[str] = frozenset()
        """Names of the methods that answer the request under way; empty if any may."""
        self._incoming: Method | None = None
        self._header: header.ContentHeader | None = None
        self._parts: list[bytes] = []
        self._missing_bytes = 0
        self._kept_bytes = 0

    async def call(self, method: Method, timeout_s: float = 5.0) -> Method | Content:
        """Send ``method`` and wait for its answer.

        Raises:
            AmqpError: The broker closed the channel instead, or the connection is lost.
            TimeoutError: No answer came. The connection is aborted, because its state is unknown.
        """
        async with self._turn:
            self.send(method)
            return await self.wait_for_reply(timeout_s, *method.valid_responses)

    async def wait_for_reply(self, timeout_s: float, *expected: str) -> Method | Content:
        """Wait for one of the ``expected`` methods (any if none is named); used by `call` and for the greeting.

        Raises:
            AmqpError: The broker closed the channel instead, or the connection is lost.
            TimeoutError: No answer came. The connection is aborted.
        """
        self._expected = frozenset(expected)
        self._reply = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(timeout_s):
                reply = await self._reply
        except BaseException:
            # The answer may still come, and must not be taken for the answer to the next request.
            self._link.abort("a request was given up")
            raise
        finally:
            self._reply = None
        if isinstance(reply, AmqpError):
            raise reply
        return reply

    def send(self, *methods: Method) -> None:
        """Write ``methods`` in one go, without waiting for an answer.

        Raises:
            AmqpError: The channel is closed.
        """
        if self.error is not None:
            raise self.error
        self._link.write(encode_methods(self.number, *methods))

    def encode_publish(
        self, method: commands.Basic.Publish, properties: commands.Basic.Properties, body: bytes
    ) -> bytes:
        """The frames of one message, to be joined with others and written at once."""
        return encode_message(self.number, method, properties, body, self._link.frame_bytes_max)

    async def publish_one(
        self,
        method: commands.Basic.Publish,
        properties: commands.Basic.Properties,
        body: bytes,
        timeout_s: float = 5.0,
    ) -> None:
        """Publish on a channel with confirms and wait for the confirm.

        Raises:
            AmqpError: The broker refused the message, or the connection is lost.
            TimeoutError: No confirm came.
        """
        if self.error is not None:
            raise self.error
        done: asyncio.Future[Method | AmqpError] = asyncio.get_running_loop().create_future()

        def settle(answer: Method | AmqpError) -> None:
            if not done.done():
                done.set_result(answer)

        self.on_confirm = settle
        self.on_lost = settle
        self._link.write(self.encode_publish(method, properties, body))
        async with asyncio.timeout(timeout_s):
            answer = await done
        if isinstance(answer, AmqpError):
            raise answer
        if isinstance(answer, commands.Basic.Nack):
            raise AmqpError("the broker refused the message")

    async def close(self, timeout_s: float = 2.0) -> None:
        """Close the channel; does nothing if it is closed already."""
        if self.error is None:
            with contextlib.suppress(AmqpError, TimeoutError):
                await self.call(commands.Channel.Close(200, "bye", 0, 0), timeout_s)
            self.lose(AmqpError("the channel was closed"))
        self._link.release(self.number)

    def lose(self, error: AmqpError) -> None:
        """Mark the channel as closed and tell everyone who waits on it."""
        if self.error is None:
            self.error = error
            if self._reply is not None and not self._reply.done():
                self._reply.set_result(error)
            self.on_lost(error)

    def receive_method(self, method: Method) -> None:
        """Handle a method frame of this channel.

        Raises:
            FrameError: It may not come here.
        """
        if self._incoming is not None:
            raise FrameError(f"{method.name} in the middle of a message")
        if isinstance(method, commands.Basic.Deliver | commands.Basic.GetOk | commands.Basic.Return):
            self._incoming = method
        elif isinstance(method, commands.Basic.Ack | commands.Basic.Nack):
            self.on_confirm(method)
        elif isinstance(method, commands.Basic.Cancel):
            self._acknowledge_cancel(method)
            self.on_cancel(method.consumer_tag or "")
        elif isinstance(method, commands.Channel.Close):
            self._link.write(encode_methods(self.number, commands.Channel.CloseOk()))
            self._link.release(self.number)
            self.lose(AmqpError(method.reply_text or "closed by the broker", method.reply_code or 0))
        elif isinstance(method, commands.Channel.Flow):
            self.send(commands.Channel.FlowOk(method.active))
        else:
            self._answer(method, method.name)

    def receive_header(self, content: header.ContentHeader) -> None:
        """Handle a content header: it says how many body bytes follow.

        Raises:
            FrameError: No message was announced.
        """
        if self._incoming is None or self._header is not None:
            raise FrameError("a content header without its message")
        self._header = content
        self._missing_bytes, self._kept_bytes, self._parts = content.body_size, 0, []
        if not self._missing_bytes:
            self._complete()

    def receive_body(self, part: bytes) -> None:
        """Handle a part of a body.

        Raises:
            FrameError: It belongs to no message, or is more than was announced.
        """
        if self._header is None or len(part) > self._missing_bytes:
            raise FrameError("body bytes that no header announced")
        self._missing_bytes -= len(part)
        if self._kept_bytes < CONTENT_BYTES_MAX:
            self._kept_bytes += len(part)
            self._parts.append(part)
        if not self._missing_bytes:
            self._complete()

    def _complete(self) -> None:
        method, content = self._incoming, self._header
        self._incoming = self._header = None
        if method is None or content is None:
            return
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        message = Content(method, content.properties or commands.Basic.Properties(), body)
        if isinstance(method, commands.Basic.Deliver):
            self.on_delivery(message)
        elif isinstance(method, commands.Basic.Return):
            self.on_return(message)
        else:
            self._answer(message, method.name)

    def _answer(self, reply: Method | Content, name: str) -> None:
        if self._reply is None or self._reply.done():
            return  # the answer to a request that was given up; its connection is being aborted
        if self._expected and name not in self._expected:
            if isinstance(reply, commands.Channel.CloseOk):
                return  # both ends closed the last channel of this number at the same time
            raise FrameError(f"{name} in answer to a request for {' or '.join(sorted(self._expected))}")
        self._reply.set_result(reply)

    def _acknowledge_cancel(self, method: commands.Basic.Cancel) -> None:
        # RabbitMQ 4.3 holds the tag until it is answered; older ones close the channel on an answer.
        capabilities = self._link.server_properties.get("capabilities", {})
        if capabilities.get("accept_consumer_cancel_ok"):
            self.send(commands.Basic.CancelOk(consumer_tag=method.consumer_tag))


def _ignore(_: object) -> None:
    """Nobody listens to this."""
