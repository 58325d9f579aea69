"""One request and its answer, as ASGI has them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus
from typing import Any, Protocol

import structlog

from services.app.http.headers import Headers
from services.app.http.refusals import new_request_id, refusal

log = structlog.get_logger()

_STATUS_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_WITHOUT_BODY = {204, 304}

App = Callable[[Any, Any, Any], Awaitable[None]]


class Wire(Protocol):
    """What an exchange needs of its connection."""

    @property
    def default_headers(self) -> Headers:
        """Headers of every answer, such as the date."""

    def read_on(self) -> None:
        """Read more of the body."""

    def write(self, data: bytes) -> None:
        """Send to the client."""

    async def drain(self) -> None:
        """Wait until the client has taken most of what was written, or is gone."""

    def answered(self, exchange: Exchange) -> None:
        """All of the answer has been written."""

    def break_off(self) -> None:
        """Close in the middle of the answer, so that nobody takes half of it for the whole."""


class BrokenOff(Exception):
    """The rest of an answer that has begun cannot be given; why has been logged."""


class Exchange:
    """One request and its answer.

    Attributes:
        keep_alive: Whether the connection may go on after the answer.
        is_whole: Whether all of the request has arrived.
        is_answered: Whether all of the answer has been written.
    """

    def __init__(self, wire: Wire, scope: dict[str, Any], *, keep_alive: bool, expects_continue: bool) -> None:
        self._wire = wire
        self._scope = scope
        self._expects_continue = expects_continue
        self._body = bytearray()
        self._news = asyncio.Event()
        self._is_taken = False
        self._is_gone = False
        self._head: bytes | None = None
        self._is_started = False
        self._is_chunked = False
        self._is_bodiless = False
        self._left: int | None = None  # bytes of the declared length that are still to come
        self.keep_alive = keep_alive
        self.is_whole = False
        self.is_answered = False

    async def run(self, app: App) -> None:
        """Let ``app`` answer."""
        try:
            await app(self._scope, self.receive, self.send)
        except BrokenOff:
            pass
        except Exception:
            log.exception("request_failed", request_id=self._request_id())
        except BaseException:
            self._wire.break_off()
            raise
        if self._is_gone or self.is_answered:
            return
        if self._is_started:
            self._wire.break_off()
            return
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        self.keep_alive = False
        self._wire.write(refusal(status, status.description, self._wire.default_headers, self._request_id()))
        self._end()

    def _request_id(self) -> str:
        """That which the app has given the request, or one of its own."""
        return str(self._scope.setdefault("request_id", new_request_id()))

    def add_body(self, data: bytes) -> int:
        """More of the request's body; returns how much waits to be taken."""
        if not self.is_answered:
            self._body += data
            self._news.set()
        return len(self._body)

    def complete(self) -> None:
        """The request has arrived."""
        self.is_whole = True
        self._news.set()

    def go(self) -> None:
        """The client is gone."""
        self._is_gone = True
        self._news.set()

    @property
    def has_begun(self) -> bool:
        """Whether a part of the answer may have been written."""
        return self._is_started

    async def receive(self) -> dict[str, Any]:
        """ASGI's receive."""
        if self._expects_continue and not (self._is_started or self._body or self.is_whole or self._is_gone):
            self._wire.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._expects_continue = False
        while not (self._is_gone or self.is_answered):
            if (self._body or self.is_whole) and not self._is_taken:
                body = bytes(self._body)
                self._body.clear()
                self._is_taken = self.is_whole
                return {"type": "http.request", "body": body, "more_body": not self.is_whole}
            if not self.is_whole:
                self._wire.read_on()
            self._news.clear()
            await self._news.wait()
        return {"type": "http.disconnect"}

    def take_whole_body(self) -> bytes | None:
        """The body, as `receive` would give it at once and in one piece; None where there is none like that."""
        if not self.is_whole or self._is_taken or self._is_gone or self.is_answered:
            return None
        self._is_taken = True
        body = bytes(self._body)
        self._body.clear()
        return body

    async def send(self, message: Any) -> None:
        """ASGI's send; returns once the client has taken most of what was written. To a client that is gone, nothing.

        Raises:
            RuntimeError: The app breaks the rules: of ASGI, of headers, or of the length that it declared.
        """
        if self._is_gone:
            return
        if self.is_answered:
            raise RuntimeError("The answer is complete already.")
        if message["type"] == "http.response.start":
            if self._is_started:
                raise RuntimeError("The answer has begun already.")
            self._start(message["status"], message.get("headers", ()))
            return
        if not self._is_started:
            raise RuntimeError("The answer has not begun yet.")
        self._write(message.get("body", b""), is_last=not message.get("more_body", False))
        await self._wire.drain()
        if not message.get("more_body", False):
            self._end()

    def _start(self, status: int, given: Iterable[tuple[bytes, bytes]]) -> None:
        """Make the head; it is sent with the first piece of the body, in one system call."""
        parts = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
        headers = [*self._wire.default_headers, *given]
        for name, value in headers:
            parts.append(name + b": " + value + b"\r\n")
            lower = name.lower()
            if lower == b"content-length":
                self._left = int(value)
            elif lower == b"connection" and b"close" in value.lower():
                self.keep_alive = False
            elif lower == b"transfer-encoding":
                raise RuntimeError("The server chooses the transfer encoding.")
        head = b"".join(parts)
        # Nobody writes a second header, or a second answer, into the first one.
        if head.count(b"\n") != len(headers) + 1 or head.count(b"\r") != len(headers) + 1 or b"\0" in head:
            raise RuntimeError("A header holds a line break or NUL.")
        if self._left is None and not self._is_without_body(status):
            self._is_chunked = self._scope["http_version"] == "1.1"
            if self._is_chunked:
                head += b"transfer-encoding: chunked\r\n"
            else:
                self.keep_alive = False  # the end of the connection is the end of the body
        if self._is_without_body(status):
            self._left = None
            self._is_bodiless = True
        self._head = head
        self._is_started = True

    def _is_without_body(self, status: int) -> bool:
        return self._scope["method"] == "HEAD" or status in _WITHOUT_BODY

    def _write(self, body: bytes, *, is_last: bool) -> None:
        if self._is_bodiless:
            body = b""
        if self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (is_last and self._left):
                raise RuntimeError("The body is not as long as its Content-Length.")
        if self._is_chunked:
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + (b"0\r\n\r\n" if is_last else b"")
        if self._head is not None:
            self.keep_alive = self.keep_alive and self.is_whole  # a body that nobody has read ends the connection
            closing = b"" if self.keep_alive else b"connection: close\r\n"
            body = self._head + closing + b"\r\n" + body
            self._head = None
        if body:
            self._wire.write(body)

    def _end(self) -> None:
        if not (self._is_gone or self.is_answered):
            self.is_answered = True
            self._news.set()
            self._wire.answered(self)


def body_at_once(receive: Callable[[], Awaitable[Any]]) -> bytes | None:
    """The body of a request that has arrived already: reading it needs no timer. None where it must be waited for."""
    exchange = getattr(receive, "__self__", None)
    return exchange.take_whole_body() if isinstance(exchange, Exchange) else None
