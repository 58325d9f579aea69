"""A request's head: what it says to the app, and what is refused because two servers may read it differently."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import httptools

from services.app.http.headers import Headers

_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*\Z")
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_UPGRADING = {b"upgrade", b"http2-settings"}


class RefusedError(Exception):
    """Stops the parser: the request is refused with this status."""

    def __init__(self, status: HTTPStatus) -> None:
        super().__init__(status)
        self.status = status


def scope_of(parser: httptools.HttpRequestParser, target: bytes, headers: Headers) -> dict[str, Any]:
    """The ASGI scope of a request, without what its connection knows; raises RefusedError."""
    version: str = parser.get_http_version()
    _check(version, headers)
    try:
        url = httptools.parse_url(target)
        path = url.path.decode("ascii")
    except (httptools.HttpParserInvalidURLError, AttributeError, UnicodeDecodeError):
        raise RefusedError(HTTPStatus.BAD_REQUEST) from None
    return {
        "type": "http",
        "asgi": _ASGI,
        "http_version": version,
        "method": parser.get_method().decode("ascii"),
        "scheme": "http",
        "path": unquote(path) if "%" in path else path,
        "raw_path": url.path,
        "query_string": url.query or b"",
        "root_path": "",
        "headers": headers,
    }


def head_without_upgrade(parser: httptools.HttpRequestParser, target: bytes, headers: Headers) -> bytes:
    """The same head, not asking for another protocol."""
    lines = [b"%s %s HTTP/%s" % (parser.get_method(), target, parser.get_http_version().encode())]
    lines += [name + b": " + value for name, value in headers if name not in _UPGRADING]
    return b"\r\n".join([*lines, b"", b""])


def _check(version: str, headers: Headers) -> None:
    """Refuse what two servers may read differently (RFC 9112, 3.2 and 6.1)."""
    if version not in {"1.0", "1.1"}:
        raise RefusedError(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED)
    hosts = encodings = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if not _HOST.match(value):
                raise RefusedError(HTTPStatus.BAD_REQUEST)
        elif name == b"transfer-encoding":
            encodings += 1
            if value.lower() != b"chunked":
                raise RefusedError(HTTPStatus.BAD_REQUEST)
    if hosts > 1 or encodings > 1 or (hosts == 0 and version == "1.1") or (encodings and version == "1.0"):
        raise RefusedError(HTTPStatus.BAD_REQUEST)
