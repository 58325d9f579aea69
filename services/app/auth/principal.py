"""Who a request comes from: the access token or API key in its headers, and the dependencies of routes that need one.

Neither is ever taken from a query: addresses stand in logs and histories.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeGuard

from fastapi import Depends, Request
from fastapi.security import APIKeyHeader, OAuth2PasswordBearer
from starlette.types import Scope as RequestScope

from ml_service.domain.credentials import TOKEN_PREFIX, Principal, Scope
from services.app.auth.callers import Caller, SignedIn
from services.app.components import AppComponents, components_of
from services.app.http.rate_limits import noting

BEARER = OAuth2PasswordBearer(
    tokenUrl="token",
    refreshUrl="token",
    description="Sign in with user name and password; in demo mode with test and test.",
    auto_error=False,
)
KEY = APIKeyHeader(
    name="X-API-Key",
    description="An API key (`POST /api-keys`), which may also stand in `Authorization: Bearer`.",
    auto_error=False,
)
"""Both document how to sign in; the headers are read by `credential`."""
_HEADERS = (b"authorization", b"x-api-key")


def credential(scope: RequestScope) -> str | None:
    """The access token (RFC 9110, 11.4) or API key of a request; None where there is none, or more than one header."""
    found = [header for header in scope["headers"] if header[0] in _HEADERS]
    if len(found) != 1:
        return None
    name, value = found[0]
    if name == b"x-api-key":
        token = value.strip().decode("latin-1")
        return token if token.startswith(TOKEN_PREFIX) else None
    scheme, _, token = value.strip().partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else None


async def principal_of(request: Request) -> Principal:
    """Who asks for a submission; whether sign-in or key are still valid is for the submit statement to look up.

    Raises:
        Unauthenticated: The token is missing, broken, foreign or expired.
        TooManyRequests: The rate limit of the API key is reached.
        DatabaseUnavailable: An API key cannot be looked up.
    """
    components, token = components_of(request), credential(request.scope)
    if token is not None and token.startswith(TOKEN_PREFIX):
        return await components.keys.principal(token, noting(request.scope))
    return components.access.principal(token)


async def check(request: Request, scope: Scope | None, *, is_counted: bool = False) -> Caller:
    """Who asks; an API key needs ``scope``, and with None no key is enough.

    Args:
        is_counted: Whether the rate limit of a key has counted this request already.

    Raises:
        Unauthenticated: The token is missing, broken, foreign, expired or revoked.
        Blocked, ScopeMissing, TooManyRequests: The API key is valid, and this is not allowed.
        DatabaseUnavailable: It cannot be looked up.
    """
    components, token = components_of(request), credential(request.scope)
    if token is not None and token.startswith(TOKEN_PREFIX):
        return await components.keys.check(token, scope, None if is_counted else noting(request.scope))
    return await components.access.check(token)


async def is_active(components: AppComponents, caller: Caller) -> bool:
    """Whether the sign-in, or the API key, has not ended since it was checked; raises DatabaseUnavailable."""
    if isinstance(caller, SignedIn):
        return await components.access.is_active(caller)
    return await components.keys.is_active(caller)


class Allowed:
    """The dependency of routes for people who are signed in, and for API keys with a scope."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def __call__(
        self,
        request: Request,
        _token: Annotated[str | None, Depends(BEARER)] = None,
        _key: Annotated[str | None, Depends(KEY)] = None,
    ) -> Caller:
        """Who asks."""
        return await check(request, self.scope)


async def signed_in(request: Request, _documented: Annotated[str | None, Depends(BEARER)] = None) -> SignedIn:
    """The dependency of routes for people who are signed in, and for no API key."""
    caller = await check(request, None)
    assert isinstance(caller, SignedIn)  # noqa: S101  a key is refused
    return caller


def is_dependency(call: object) -> TypeGuard[Callable[[Request], Awaitable[Caller]]]:
    """Whether this is a dependency that says who asks."""
    return call is signed_in or isinstance(call, Allowed)


CurrentUser = Annotated[SignedIn, Depends(signed_in)]
Reader = Annotated[Caller, Depends(Allowed(Scope.READ))]
Predictor = Annotated[Caller, Depends(Allowed(Scope.PREDICT))]
WebhookManager = Annotated[Caller, Depends(Allowed(Scope.WEBHOOKS))]
BulkUser = Annotated[Caller, Depends(Allowed(Scope.BULK))]
