"""Reads a request's body, within its limits, before anything else sees the request."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import NamedTuple

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.app.http.bodies import FORM_BYTES_MAX, refusal_aside
from services.app.http.edge import refuse
from services.app.http.exchange import body_at_once
from services.app.http.uploads import STREAMED, too_large

BODY_TIMEOUT_S = 20.0
"""Seconds that a body may take to arrive at least: 2 MB at the slowest line that we mean to serve."""
BYTES_PER_S_MIN = 100_000
"""1 Mbit/s: where BODY_BYTES_MAX allows larger bodies, they have as much longer."""
FORM = b"application/x-www-form-urlencoded"
_NOT_ENCODED = (b"", b"identity")


class BodyGuard:
    """Reads a request's body within its limits of size, time and shape, then hands it on in one piece."""

    def __init__(
        self, app: ASGIApp, *, bytes_max: int, depth_max: int, values_max: int, timeout_s: float | None = None
    ) -> None:
        self._app = app
        self._bytes_max = bytes_max
        self._depth_max = depth_max
        self._values_max = values_max
        self.timeout_s = max(BODY_TIMEOUT_S, bytes_max / BYTES_PER_S_MIN) if timeout_s is None else timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or (declared := _declared(scope)) is None:
            await self._app(scope, receive, send)
            return
        if declared.refusal is not None:
            status, detail = declared.refusal
            await refuse(status, scope, receive, send, detail=detail, close=True)
            return
        if (scope["method"], scope["path"]) in STREAMED:
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(declared, receive)
        except TimeoutError:
            await refuse(HTTPStatus.REQUEST_TIMEOUT, scope, receive, send, close=True)
            return
        if body is None:
            detail = too_large(self._bytes_max_of(declared))
            await refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, scope, receive, send, detail=detail, close=True)
            return
        refused = None
        if not declared.is_form:
            refused = await refusal_aside(body, depth_max=self._depth_max, values_max=self._values_max)
        if refused:
            await refuse(HTTPStatus.BAD_REQUEST, scope, receive, send, detail=refused)
            return
        given = False

        async def receive_whole() -> Message:
            nonlocal given
            if given:
                return await receive()  # the next thing to come is that the client goes away
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, receive_whole, send)

    def _bytes_max_of(self, declared: _Declared) -> int:
        return FORM_BYTES_MAX if declared.is_form else self._bytes_max

    async def _read(self, declared: _Declared, receive: Receive) -> bytes | None:
        """The body; None where it is too large. Raises TimeoutError where it does not arrive, or not in time."""
        bytes_max = self._bytes_max_of(declared)
        if declared.length > bytes_max:
            return None
        if (body := body_at_once(receive)) is not None:  # setting the timer would take longer than reading
            return body if len(body) <= bytes_max else None
        parts: list[bytes] = []
        size = 0
        async with asyncio.timeout(self.timeout_s):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise TimeoutError
                part = message.get("body", b"")
                size += len(part)
                if size > bytes_max:
                    return None
                parts.append(part)
                if not message.get("more_body", False):
                    return b"".join(parts)


class _Declared(NamedTuple):
    """What a request's head says of its body; ``length`` is 0 where it does not say, ``types`` counts Content-Type."""

    length: int
    is_encoded: bool
    is_form: bool
    types: int

    @property
    def refusal(self) -> tuple[HTTPStatus, str] | None:
        """Why the body is not read whatever it holds. Of two types, a route may go by another one than the limits."""
        if self.types > 1:
            return HTTPStatus.BAD_REQUEST, "Send one Content-Type."
        if self.is_encoded:
            return HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body without a Content-Encoding."
        return None


def _declared(scope: Scope) -> _Declared | None:
    """None where there is no body."""
    has_body = is_encoded = is_form = False
    length = types = 0
    for name, value in scope["headers"]:
        if name == b"content-length":
            has_body = True
            length = int(value[:20]) if value.isdigit() else 0
        elif name == b"content-type":
            types += 1
            is_form = value.lower().startswith(FORM)
        elif name == b"transfer-encoding":
            has_body = True
        elif name == b"content-encoding":
            is_encoded = is_encoded or value.lower() not in _NOT_ENCODED
    return _Declared(length, is_encoded, is_form, types) if has_body else None
