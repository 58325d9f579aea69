"""What is answered where a request never gets as far as the app: the same problem+json as everywhere."""

from __future__ import annotations

import os
from http import HTTPStatus

from services.app.api.problems import HTTP_CODES, problem
from services.app.http.headers import API_HEADERS


def refusal(status: HTTPStatus, detail: str, more: list[tuple[bytes, bytes]]) -> bytes:
    """A whole response that ends the connection; ``more`` are headers that every response has."""
    retry_after_s = 1.0 if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    request_id = os.urandom(16).hex()
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
