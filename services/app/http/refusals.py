"""What is answered where a request never gets as far as the app: the same problem+json as everywhere."""

from __future__ import annotations

import os
from http import HTTPStatus

import structlog

from services.app.api.problems import HTTP_CODES, problem
from services.app.http.headers import API_HEADERS

log = structlog.get_logger()


def new_request_id() -> str:
    """An id for a request that has none of its own."""
    return os.urandom(16).hex()


def log_refused(status: HTTPStatus, client: tuple[str, int] | None) -> str:
    """Log that a request is refused; returns the id that its answer should have, too."""
    request_id = new_request_id()
    log.info("request_refused", status=status.value, client=client[0] if client else None, request_id=request_id)
    return request_id


def refusal(status: HTTPStatus, detail: str, more: list[tuple[bytes, bytes]], request_id: str) -> bytes:
    """A whole response that ends the connection; ``more`` are headers that every response has."""
    retry_after_s = 1.0 if status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS} else None
    response = problem(status, HTTP_CODES[status], detail, request_id, retry_after_s=retry_after_s)
    headers = [
        *more,
        *response.raw_headers,
        *API_HEADERS,
        (b"x-request-id", request_id.encode()),
        (b"connection", b"close"),
    ]
    lines = [b"HTTP/1.1 %d %s" % (status, status.phrase.encode()), *(name + b": " + value for name, value in headers)]
    return b"\r\n".join([*lines, b"", bytes(response.body)])
