"""A client's connection: HTTP/1.1 read by httptools, within limits, and handed to the app request by request.

uvicorn runs it (its option `http`), starts and stops the app and keeps the date. Its own protocol lets through what an
open port must not: docs/decisions/0010-http-server.md
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from http import HTTPStatus
from typing import Any, cast

import httptools
import structlog
from uvicorn.config import Config
from uvicorn.server import ServerState

from services.app.http.addresses import socket_address
from services.app.http.connection_limits import HttpLimits
from services.app.http.connection_slots import ConnectionSlots
from services.app.http.exchange import Exchange
from services.app.http.headers import Headers
from services.app.http.one_write import OneWrite
from services.app.http.refusals import log_refused, refusal
from services.app.http.request_head import RefusedError, head_without_upgrade, scope_of

log = structlog.get_logger()

_BLANK = b" \t"
_DETAILS = {
    HTTPStatus.BAD_REQUEST: "This is not a valid HTTP request.",
    HTTPStatus.METHOD_NOT_ALLOWED: "There is no proxy here.",
    HTTPStatus.REQUEST_TIMEOUT: "The request's head did not arrive in time.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests in a row on one connection; read the answers before sending more.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Too many connections; try again in a moment.",
}


class Connection(asyncio.Protocol):
    """One client's connection.

    Args:
        slots: Shared by all connections of the process.
        config, server_state, app_state: uvicorn's.
    """

    def __init__(
        self,
        limits: HttpLimits,
        slots: ConnectionSlots,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._limits = limits
        self._slots = slots
        self._app = config.loaded_app
        self._server_state = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)

        self._transport: asyncio.Transport
        self._client: tuple[str, int] | None = None
        self._server: tuple[str, int] | None = None
        self._current: Exchange | None = None  # is being answered
        self._next: deque[Exchange | HTTPStatus] = deque()  # sent before its answer; a status is a refusal
        self._reading: Exchange | None = None  # its body is being read
        self._is_reading_paused = False
        self._is_closing = False  # no further request is taken
        self._is_lingering = False
        self._dropped_bytes = 0
        self._linger_until = math.inf
        self._deadline = math.inf  # until when the client has to do something
        self._timer: asyncio.TimerHandle
        self._writable = asyncio.Event()
        self._writable.set()
        self._unsent_bytes = 0
        self._write_check_at = math.inf

        self._is_in_head = False
        self._head_bytes = 0
        self._quiet_bytes = 0  # fed since the parser last told something
        self._url = b""
        self._headers: Headers = []
        self._expects_continue = False

    # What the transport tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected."""
        self._transport = cast("asyncio.Transport", OneWrite(cast("asyncio.Transport", transport)))
        self._server_state.connections.add(self)  # type: ignore[arg-type]  # uvicorn names its own two protocols
        self._client = socket_address(transport.get_extra_info("peername"))
        self._server = socket_address(transport.get_extra_info("sockname"))
        self._deadline = self._loop.time() + self._limits.head_s
        self._timer = self._loop.call_later(self._limits.tick_s, self._tick)
        if not self._slots.enter(self):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's signature
        """The connection is closed."""
        self._server_state.connections.discard(self)
        self._slots.leave(self)
        self._timer.cancel()
        self._is_closing = True
        self._writable.set()
        self._forget_all()

    def pause_writing(self) -> None:
        """The client does not take what is written."""
        self._writable.clear()
        self._unsent_bytes = self._transport.get_write_buffer_size()
        self._write_check_at = self._loop.time() + self._limits.write_check_s

    def resume_writing(self) -> None:
        """It goes on."""
        self._writable.set()
        self._write_check_at = math.inf

    def data_received(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._is_lingering:
            self._drop(len(data))
        elif not self._is_closing or self._reading is not None:  # what is being asked is read to its end
            self._feed(data)

    # What uvicorn and the slots ask for.

    def shutdown(self) -> None:
        """Answer what is being asked, then close: the process stops."""
        if self._current is None:
            self._close()
        else:
            self._is_closing = True
            self._current.keep_alive = False
            if self._reading is not self._current:
                self._reading = None  # of a request that is not answered any more

    def evict(self) -> None:
        """Make room for another client: this one asks nothing."""
        self._transport.abort()

    # What an exchange asks for (`exchange.Wire`).

    @property
    def default_headers(self) -> Headers:
        """uvicorn's: the date."""
        return self._server_state.default_headers

    def read_on(self) -> None:
        """Read more of the body."""
        self._resume_reading()

    def write(self, data: bytes) -> None:
        """Send to the client."""
        if not self._transport.is_closing():
            if not self._writable.is_set():
                self._unsent_bytes += len(data)
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has taken most of what was written, or is gone."""
        if not self._writable.is_set():
            await self._writable.wait()

    def answered(self, exchange: Exchange) -> None:
        """This exchange, the current one, has been answered."""
        self._server_state.total_requests += 1
        self._current = None
        if not exchange.is_whole:
            self._linger()
        elif not exchange.keep_alive:
            self._close()
        else:
            self._go_on()

    def break_off(self) -> None:
        """Close in the middle of an answer, so that nobody takes half of it for the whole."""
        self._close()

    # What httptools tells while it is fed. An exception in here ends `feed_data` with HttpParserCallbackError.

    def on_message_begin(self) -> None:
        """A request's first byte."""
        if self._is_closing:
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE)
        self._is_in_head = True
        self._head_bytes = self._quiet_bytes = 0
        self._url = b""
        self._headers = []
        self._expects_continue = False
        if self._current is None:
            self._deadline = self._loop.time() + self._limits.head_s

    def on_url(self, url: bytes) -> None:
        """A part of its target."""
        self._url += url
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; or a trailer, which is dropped: a proxy in front has checked the headers only."""
        self._count_head(len(name) + len(value) + 4)
        if not self._is_in_head:
            return
        name, value = name.lower(), value.strip(_BLANK)  # the parser leaves what stands behind it
        self._headers.append((name, value))
        if len(self._headers) > self._limits.headers_max:
            raise RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        if name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True

    def on_headers_complete(self) -> None:
        """The head is there: the app may begin."""
        if self._parser.should_upgrade():
            if self._parser.get_method() == b"CONNECT":
                raise RefusedError(HTTPStatus.METHOD_NOT_ALLOWED)
            return
        scope = scope_of(self._parser, self._url, self._headers)
        self._is_in_head = False
        self._head_bytes = self._quiet_bytes = 0
        scope |= {"client": self._client, "server": self._server, "state": self._app_state.copy()}
        keep_alive = scope["http_version"] == "1.1" and self._parser.should_keep_alive()
        exchange = Exchange(self, scope, keep_alive=keep_alive, expects_continue=self._expects_continue)
        if self._current is None:
            self._begin(exchange)
        elif len(self._next) < self._limits.pipelined_max:
            self._next.append(exchange)
            self._pause_reading()
        else:
            raise RefusedError(HTTPStatus.TOO_MANY_REQUESTS)
        self._reading = exchange

    def on_chunk_header(self) -> None:
        """The size of a piece of the body."""
        self._quiet_bytes = 0

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._quiet_bytes = 0
        if self._reading is not None and self._reading.add_body(body) > self._limits.body_buffered_max:
            self._pause_reading()

    def on_message_complete(self) -> None:
        """All of the request is there."""
        if self._reading is not None:
            self._reading.complete()
            self._reading = None

    # How it goes on.

    def _feed(self, data: bytes) -> None:
        self._quiet_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._feed_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            reason = error.__context__
            self._refuse(reason.status if isinstance(reason, RefusedError) else HTTPStatus.BAD_REQUEST)
        else:
            if self._quiet_bytes > self._limits.head_bytes_max:  # one long line, of which the parser tells at its end
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _feed_without_upgrade(self, rest: bytes) -> None:
        """Begin the request again as if it did not ask for another protocol (RFC 9110, 7.8: a server may ignore that).

        The parser would skip the body, and take it for the next request.
        """
        again = head_without_upgrade(self._parser, self._url, self._headers)
        self._parser = httptools.HttpRequestParser(self)
        self._feed(again + rest)

    def _count_head(self, size: int) -> None:
        self._quiet_bytes = 0
        self._head_bytes += size
        if self._head_bytes > self._limits.head_bytes_max:
            raise RefusedError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def _begin(self, exchange: Exchange) -> None:
        self._current = exchange
        self._deadline = math.inf
        self._slots.busy(self)
        task = self._loop.create_task(exchange.run(self._app))
        self._server_state.tasks.add(task)
        task.add_done_callback(self._server_state.tasks.discard)

    def _go_on(self) -> None:
        """Take the next request, which may be here already."""
        if self._next:
            following = self._next.popleft()
            if isinstance(following, HTTPStatus):
                self._send_refusal(following)
                return
            self._begin(following)
        elif self._is_closing:
            self._close()
            return
        else:
            self._slots.waits(self)
            self._deadline = self._loop.time() + (self._limits.head_s if self._is_in_head else self._limits.idle_s)
        if not self._next:
            self._resume_reading()

    def _refuse(self, status: HTTPStatus) -> None:
        """Take nothing more: answer with ``status``, after the answers to what was asked before."""
        if self._is_closing and self._reading is None:
            return  # it came after the last request that is answered
        self._is_closing = True
        if self._current is not None and self._reading is self._current:
            # The rest of its body cannot be read.
            if self._current.has_begun:
                self._close()
                return
            self._current.go()
            self._current = None
        if self._reading is not None and self._next:
            self._next.pop()  # the same, of one that has not begun
        self._reading = None
        if self._current is None:
            self._send_refusal(status)
        else:
            self._next.append(status)
            self._pause_reading()

    def _send_refusal(self, status: HTTPStatus) -> None:
        detail = _DETAILS.get(status) or status.description or status.phrase
        request_id = log_refused(status, self._client)
        self.write(refusal(status, detail, self.default_headers, request_id))
        self._linger()

    def _linger(self) -> None:
        """Drop what still comes, for a while and up to a size: a close now could destroy the answer on its way."""
        self._is_closing = self._is_lingering = True
        self._forget_all()
        now = self._loop.time()
        self._linger_until = now + self._limits.linger_s
        self._deadline = now + self._limits.linger_silence_s
        if self._transport.is_closing():
            return
        self._slots.waits(self)
        self._transport.write_eof()
        self._resume_reading()

    def _drop(self, size: int) -> None:
        self._dropped_bytes += size
        self._deadline = min(self._loop.time() + self._limits.linger_silence_s, self._linger_until)
        if self._dropped_bytes > self._limits.linger_bytes_max:
            self._close()

    def _close(self) -> None:
        """Close once all that was written is sent; what is not sent within a while never is."""
        self._is_closing = True
        self._forget_all()
        self._deadline = self._loop.time() + self._limits.write_check_s
        self._transport.close()

    def _forget_all(self) -> None:
        self._reading = None
        for exchange in (self._current, *self._next):
            if isinstance(exchange, Exchange):
                exchange.go()
        self._current = None
        self._next.clear()

    def _tick(self) -> None:
        now = self._loop.time()
        if now >= self._write_check_at:
            unsent = self._transport.get_write_buffer_size()
            if self._unsent_bytes - unsent < self._limits.write_bytes_min:
                log.info("slow_reader_cut_off", unsent=unsent, client=self._client[0] if self._client else None)
                self._transport.abort()
                return
            self._unsent_bytes = unsent
            self._write_check_at = now + self._limits.write_check_s
        if now >= self._deadline:
            self._expire()
        self._timer = self._loop.call_later(min(self._limits.tick_s, max(self._deadline - now, 0.01)), self._tick)

    def _expire(self) -> None:
        if self._transport.is_closing() or self._transport.get_write_buffer_size():
            self._transport.abort()
        elif self._is_in_head and not self._is_closing:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT)
        else:
            self._close()

    def _pause_reading(self) -> None:
        if not self._is_reading_paused and not self._transport.is_closing():
            self._is_reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._is_reading_paused and not self._transport.is_closing():
            self._is_reading_paused = False
            self._transport.resume_reading()
