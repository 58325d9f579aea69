"""Which pages of other origins may ask the API (CORS)."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from services.app.api.problems import HTTP_CODES, problem

METHODS = ("GET", "HEAD", "POST", "PATCH", "DELETE")
REQUEST_HEADERS = (
    "Authorization",
    "Content-Type",
    "Idempotency-Key",
    "If-None-Match",
    "Last-Event-ID",
    "Prefer",
    "X-API-Key",
    "X-Request-ID",
)
RESPONSE_HEADERS = (
    "Allow",
    "Content-Disposition",
    "ETag",
    "Idempotent-Replayed",
    "Location",
    "Preference-Applied",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-ID",
)
_OF_THE_BODY = ("content-length", "content-type")
PREFLIGHT_S = 600


def cross_origin(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Let pages of ``origins`` read all that ``app`` answers, never with cookies; without any it stays as it is."""
    return CrossOrigin(app, origins) if origins else app


def preflights(app: ASGIApp, origins: Sequence[str]) -> ASGIApp:
    """Answer what browsers ask before they let a page of another origin ask ``app``; without ``origins`` it does."""
    return Preflights(app, origins) if origins else app


class _Rules(CORSMiddleware):
    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=METHODS,
            allow_headers=REQUEST_HEADERS,
            expose_headers=RESPONSE_HEADERS,
            allow_credentials=False,
            max_age=PREFLIGHT_S,
        )


class CrossOrigin(_Rules):
    """Around the Edge, so that a page can read its errors too."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or _is_preflight(scope):
            await self.app(scope, receive, send)
            return
        await self.simple_response(scope, receive, send, request_headers=Headers(scope=scope))


class Preflights(_Rules):
    """Within the Edge, which logs and counts preflights as all requests."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or not _is_preflight(scope):
            await self.app(scope, receive, send)
            return
        response = self.preflight_response(Headers(scope=scope))
        if (status := HTTPStatus(response.status_code)) is not HTTPStatus.OK:
            given = {name: value for name, value in response.headers.items() if name not in _OF_THE_BODY}
            detail = f"{bytes(response.body).decode()}."
            response = problem(status, HTTP_CODES[status], detail, scope["request_id"])
            response.headers.update(given)
        await response(scope, receive, send)


def _is_preflight(scope: Scope) -> bool:
    if scope["method"] != "OPTIONS":
        return False
    headers = Headers(scope=scope)
    return "origin" in headers and "access-control-request-method" in headers
