"""Whether a request comes from a page of our own origin: required wherever a cookie authenticates."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from fastapi import HTTPException, Request
from starlette.types import Scope

from services.app.http.addresses import Network, scheme_of

_PORTS = {"http": 80, "https": 443}
REFUSED = "This is for pages of the service itself; programs sign in by POST /token."


def require_same_origin(request: Request) -> None:
    """Refuse what another site's page, a form, or a program without a page may have sent.

    Browsers say where a request comes from, and no page can change what they say: Sec-Fetch-Site to HTTPS and to
    localhost, Origin everywhere. A request with neither is refused, with a cookie or without: one rule for all.

    Raises:
        HTTPException: 403 without the proof; 415 for a body that is no JSON, which is all that a form can send.
    """
    if not _is_same_origin(request.scope):
        raise HTTPException(HTTPStatus.FORBIDDEN, REFUSED)
    media_types = _all(request.scope, b"content-type")
    if any(value.partition(";")[0].strip().lower() != "application/json" for value in media_types):
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


def is_https(scope: Scope, trusted: Iterable[Network]) -> bool:
    """Whether the page that sent this was loaded by HTTPS: trusted proxies say so, or the browser by its Origin.

    The second is for a proxy that ends TLS and is not among TRUSTED_PROXIES. Call it after `require_same_origin`.
    """
    return scheme_of(scope, trusted) == "https" or _one(scope, b"origin").lower().startswith("https://")


def _is_same_origin(scope: Scope) -> bool:
    if sites := _all(scope, b"sec-fetch-site"):
        return sites == ["same-origin"]
    origin = _one(scope, b"origin")
    try:
        parts = urlsplit(origin)
        named = (parts.hostname, parts.port or _PORTS[parts.scheme])
        ours = urlsplit(f"//{_one(scope, b'host')}")
        # The scheme that we see is the proxy's, so a host without a port has the default one of the page's scheme.
        return bool(named[0]) and named == (ours.hostname, ours.port or _PORTS[parts.scheme])
    except (ValueError, KeyError):  # "null", a port that is no number, a scheme that is no page's
        return False


def _all(scope: Scope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]


def _one(scope: Scope, wanted: bytes) -> str:
    """The header's value; empty where it is missing or came twice."""
    found = _all(scope, wanted)
    return found[0] if len(found) == 1 else ""
