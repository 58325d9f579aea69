"""What happens to every request before and after its route: an id, limits, headers, one log line.

Pure ASGI: Starlette's BaseHTTPMiddleware costs as much as all the rest of a request.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.app.api.problems import HTTP_CODES, problem
from services.app.bodies import is_deeper

log = structlog.get_logger()

HEADER_BYTES_MAX = 32_768
BODY_TIMEOUT_S = 20.0
"""Seconds that a body may take to arrive: 2 MB at 1 Mbit/s, the slowest line we mean to serve."""
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,100}\Z")

_COMMON = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_API = [
    *_COMMON,
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"cache-control", b"no-store"),
]
_PAGE_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    b" object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_PAGE = [*_COMMON, (b"content-security-policy", _PAGE_POLICY), (b"cache-control", b"no-cache")]
PAGES = ("/docs",)
"""Where people look with a browser: everything else is an API."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a request, for logs and metrics; ``route`` is the path with its parameters' names."""

    method: str
    route: str
    status: int
    seconds: float


class Edge:
    """The outermost layer.

    Args:
        on_answered: Called after each answer.
        quiet: Paths that are asked all the time and not worth a log line at level INFO.
    """

    def __init__(self, app: ASGIApp, on_answered: Callable[[Answered], None], quiet: Iterable[str] = ()) -> None:
        self._app = app
        self._on_answered = on_answered
        self._quiet = frozenset(quiet)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = scope["request_id"] = _request_id(scope)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 0
        is_whole = False
        path: str = scope["path"]

        async def send_with_headers(message: Message) -> None:
            nonlocal status, is_whole
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message, path, request_id)
            await send(message)
            is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES_MAX:
                await _refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, scope, receive, send_with_headers)
            else:
                await self._app(scope, receive, send_with_headers)
        except Exception:
            log.exception("request_failed", method=scope["method"], path=path)
            if status == 0:
                await _refuse(HTTPStatus.INTERNAL_SERVER_ERROR, scope, receive, send_with_headers)
            elif not is_whole:
                raise  # the server closes the connection, so that nobody takes half of an answer for the whole
        finally:
            self._tell(scope, path, status or 499, time.perf_counter() - started)

    def _tell(self, scope: Scope, path: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        self._on_answered(Answered(scope["method"], route, status, seconds))
        # The path without its query: a log is no place for what people put there.
        (log.debug if path in self._quiet else log.info)(
            "request", method=scope["method"], path=path[:200], status=status, ms=round(seconds * 1000, 2)
        )


class BodyGuard:
    """Reads a request's body within its limits of size, time and depth, then hands it on in one piece."""

    def __init__(self, app: ASGIApp, *, bytes_max: int, depth_max: int, timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._app = app
        self._bytes_max = bytes_max
        self._depth_max = depth_max
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await self._read(scope, receive)
        except TimeoutError:
            await _refuse(HTTPStatus.REQUEST_TIMEOUT, scope, receive, send, close=True)
            return
        if body is None:
            await _refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, scope, receive, send, close=True)
            return
        if is_deeper(body, self._depth_max):
            detail = f"JSON may be nested {self._depth_max} deep."
            await _refuse(HTTPStatus.BAD_REQUEST, scope, receive, send, detail=detail)
            return
        given = False

        async def receive_whole() -> Message:
            nonlocal given
            if given:
                return await receive()  # the next thing to come is that the client goes away
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, receive_whole, send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes | None:
        if _content_length(scope) > self._bytes_max:
            return None
        parts: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise TimeoutError
            part = message.get("body", b"")
            size += len(part)
            if size > self._bytes_max:
                return None
            parts.append(part)
            if not message.get("more_body", False):
                return b"".join(parts)


def _has_body(scope: Scope) -> bool:
    return any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])


def _content_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value[:20])
    return 0


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.match(value):
            return str(value, "ascii")
    return os.urandom(16).hex()


def _add_headers(message: Message, path: str, request_id: str) -> None:
    headers: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
    present = {name for name, _ in headers}
    defaults = _PAGE if path.startswith(PAGES) else _API
    headers += [header for header in defaults if header[0] not in present]
    headers.append((b"x-request-id", request_id.encode()))
    message["headers"] = headers


async def _refuse(
    status: HTTPStatus, scope: Scope, receive: Receive, send: Send, *, detail: str | None = None, close: bool = False
) -> None:
    text = detail or status.description or status.phrase
    response = problem(status, HTTP_CODES[status], text, scope["request_id"])
    if close:  # what is left of the body is not read
        response.headers["Connection"] = "close"
    await response(scope, receive, send)
