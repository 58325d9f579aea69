"""The short way of the one request that is made all the time: a plain `POST /predictions/predict`.

FastAPI's way of a request (routing, dependencies, validation by schema) costs as much CPU as everything else that an
accepted prediction costs. Here a request whose token is right and whose body has the usual shape goes straight to the
same function as by the route. Whatever is not plain goes on to the route, which says what is wrong with it and how:
nothing is refused here, so that there is one place for each error. docs/decisions/0009-short-way.md
"""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ml_service.domain.errors import DatabaseUnavailable, ServiceError
from services.app import bodies
from services.app.api.predictions import KEY_PATTERN, PREDICT, Wanted, submit
from services.app.api.problems import service_error
from services.app.parts import Parts, parts_of

_PLAIN = {"model", "input", "text"}
_KEY = re.compile(KEY_PATTERN)


class _Route:
    path = PREDICT


class Shortcut:
    """Takes plain submissions; to be put inside of everything that bounds and logs requests."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or hand it on."""
        if scope["type"] != "http" or scope["path"] != PREDICT or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        message = await receive()  # whole: BodyGuard has read it
        headers: dict[bytes, bytes] = dict(scope["headers"])
        wanted = _wanted(headers, message)
        token = _token(headers)
        if wanted is None or token is None or len(headers) != len(scope["headers"]):  # one came twice
            await self._app(scope, _again(message, receive), send)
            return
        scope["route"] = _Route
        request = Request(scope)
        try:
            response = await _submitted(parts_of(request), token, wanted)
        except ServiceError as error:
            response = service_error(request, error)
        await response(scope, receive, send)


async def _submitted(parts: Parts, token: str, wanted: Wanted) -> Response:
    """Submit, and look the session up in the same statement; raises ServiceError."""
    claims = parts.access.claims(token)
    try:
        return await submit(parts, claims.user_id, wanted, claims.session_id)
    except DatabaseUnavailable:
        raise  # who asks cannot be looked up either, and the client has waited long enough
    except ServiceError:
        await parts.access.check(token)  # to whom it does not know, the service says nothing else
        raise


def _again(message: Message, receive: Receive) -> Receive:
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return message

    return receive_again


def _token(headers: dict[bytes, bytes]) -> str | None:
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    return token.decode("latin-1") if scheme.lower() == b"bearer" and token else None


def _text(headers: dict[bytes, bytes], name: bytes) -> str | None:
    value = headers.get(name)
    return None if value is None else value.decode("latin-1")


def _wanted(headers: dict[bytes, bytes], message: Message) -> Wanted | None:
    """What is asked for; None where the route has to look at it."""
    key = _text(headers, b"idempotency-key")
    if headers.get(b"content-type") != b"application/json" or message.get("more_body"):
        return None
    if key is not None and not _KEY.fullmatch(key):
        return None
    try:
        body: Any = bodies.parse(message.get("body", b""))
    except ValueError:
        return None
    if not isinstance(body, dict) or not body.keys() <= _PLAIN:
        return None
    model, value = body.get("model"), _input(body.get("input"), body.get("text"))
    if value is None or not (model is None or isinstance(model, str)):
        return None
    return Wanted(model=model, input=value, key=key, prefer=_text(headers, b"prefer"))


def _input(value: Any, text: Any) -> dict[str, Any] | None:
    if text is None:
        return value if isinstance(value, dict) else None
    return {"text": text} if value is None and isinstance(text, str) else None
