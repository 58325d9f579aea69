"""What happens to every request before and after its route: an id, headers, one log line, one count.

Pure ASGI: Starlette's BaseHTTPMiddleware costs as much as all the rest of a request.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, NamedTuple

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml_service.domain.errors import ServiceError
from ml_service.domain.rate_limits import RateLimit
from services.app.api.problems import HTTP_CODES, problem
from services.app.http.addresses import Network, client_of
from services.app.http.exchange import BrokenOff
from services.app.http.headers import API_HEADERS
from services.app.http.rate_limits import SCOPE_KEY, headers
from services.app.http.refusals import new_request_id

log = structlog.get_logger()

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,100}\Z")
_LOGGED_PATH_LENGTH = 200
_NOT_LOGGED_AS_IT_IS = re.compile(r"[^!-~]")


class Answered(NamedTuple):
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
        root_path: What a proxy in front takes away from the beginning of each path; `Location` has it.
        trusted_proxies: Whose X-Forwarded-For tells the client's address.
    """

    def __init__(
        self,
        app: ASGIApp,
        on_answered: Callable[[Answered], None],
        *,
        quiet: Iterable[str] = (),
        root_path: str = "",
        trusted_proxies: Iterable[Network] = (),
    ) -> None:
        self._app = app
        self._on_answered = on_answered
        self._quiet = frozenset(quiet)
        self._root_path = root_path.encode()
        self._trusted_proxies = tuple(trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        rate_limits: dict[str, RateLimit] = {}
        scope[SCOPE_KEY] = rate_limits
        request_id = scope["request_id"] = _request_id(scope)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        status = 0
        is_whole = False
        path: str = scope["path"]

        async def send_with_headers(message: Message) -> None:
            nonlocal status, is_whole
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(message, request_id)
                if rate_limits:
                    message["headers"] += headers(rate_limits)
            await send(message)
            is_whole = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception as error:
            reason = error.__cause__  # Starlette's "Caught handled exception, but response already started."
            if status and isinstance(reason, ServiceError):
                log.warning("answer_broken_off", method=scope["method"], path=_logged_path(scope), code=reason.code)
            else:
                log.exception("request_failed", method=scope["method"], path=_logged_path(scope))
            if status == 0:
                await refuse(HTTPStatus.INTERNAL_SERVER_ERROR, scope, receive, send_with_headers)
            elif not is_whole:  # the server closes the connection, so that nobody takes half of an answer for the whole
                raise BrokenOff from error
        finally:
            self._tell(scope, path, status or 499, time.perf_counter() - started)

    def _add_headers(self, message: Message, request_id: str) -> None:
        given: list[tuple[bytes, bytes]] = list(message.get("headers", ()))
        present = {name for name, _ in given}
        if self._root_path and b"location" in present:
            given = [
                (name, self._root_path + value if name == b"location" and value.startswith(b"/") else value)
                for name, value in given
            ]
        given += [header for header in API_HEADERS if header[0] not in present]
        given.append((b"x-request-id", request_id.encode()))
        message["headers"] = given

    def _tell(self, scope: Scope, path: str, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unknown")
        self._on_answered(Answered(scope["method"], route, status, seconds))
        (log.debug if path in self._quiet else log.info)(
            "request",
            method=scope["method"],
            path=_logged_path(scope),
            status=status,
            ms=round(seconds * 1000, 2),
            client=client_of(scope, self._trusted_proxies),
        )


class Head:
    """Answers HEAD as GET would be, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        is_answered = False

        async def receive_until_answered() -> Message:
            # A stream ends by this: nobody reads it.
            return {"type": "http.disconnect"} if is_answered else await receive()

        async def send_head(message: Message) -> None:
            nonlocal is_answered
            if is_answered:
                return
            await send(message)
            if message["type"] == "http.response.start":
                is_answered = True
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        inner: dict[str, Any] = {**scope, "method": "GET"}
        try:
            await self._app(inner, receive_until_answered, send_head)
        finally:
            scope["route"] = inner.get("route")


async def refuse(
    status: HTTPStatus, scope: Scope, receive: Receive, send: Send, *, detail: str | None = None, close: bool = False
) -> None:
    """Answer with a problem.

    Args:
        close: What is left of the request's body is not read.
    """
    text = detail or status.description or status.phrase
    response = problem(status, HTTP_CODES[status], text, scope["request_id"])
    if close:
        response.headers["Connection"] = "close"
    await response(scope, receive, send)


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.match(value):
            return str(value, "ascii")
    return new_request_id()


def _logged_path(scope: Scope) -> str:
    """The path as it was sent, percent-encoded: ASCII, so that nothing in it acts on a terminal or ends a line.

    Without its query: a log is no place for what people put there.
    """
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return _NOT_LOGGED_AS_IT_IS.sub(_percent_encoded, raw[:_LOGGED_PATH_LENGTH].decode("latin-1"))


def _percent_encoded(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"
