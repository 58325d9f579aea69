"""The page's sign-in: a refresh token in a cookie that no script can read, and access tokens in the answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import APIKeyCookie

from ml_service.domain.errors import (
    Blocked,
    DatabaseUnavailable,
    InvalidInput,
    Overloaded,
    TooManyRequests,
    Unauthenticated,
    WrongCredentials,
)
from ml_service.usecases import users
from services.app.api.problems import BODY_REFUSED, problems, service_error
from services.app.api.schemas.users import Credentials, SignedInSession, User
from services.app.api.strict import StrictRoute
from services.app.auth.sign_in import renew, sign_in
from services.app.components import AppComponents, components_of
from services.app.http.same_origin import is_https, require_same_origin

COOKIE = "ml_service_session"
PATH = "/session"
SECURITY = APIKeyCookie(
    name=COOKIE, description="The refresh token of the page, set by `POST /session`.", auto_error=False
)
"""Documents the cookie; it is read by `_refresh_token`."""

router = APIRouter(tags=["users"], route_class=StrictRoute, dependencies=[Depends(require_same_origin)])


@router.post(
    PATH,
    summary="Sign in from the page",
    response_model=SignedInSession,
    responses=problems(
        *BODY_REFUSED,
        HTTPStatus.FORBIDDEN,
        WrongCredentials,
        Blocked,
        InvalidInput,
        TooManyRequests,
        Overloaded,
        DatabaseUnavailable,
    ),
)
async def begin(request: Request, response: Response, credentials: Credentials) -> SignedInSession:
    """Sign in, with the rules and limits of `POST /token`. Only for pages of the service itself.

    The refresh token comes as a cookie (HttpOnly, SameSite=Strict, only for `/session`, Secure under HTTPS). The
    browser must say that the request is from this origin (`Sec-Fetch-Site`, or `Origin`); otherwise the answer is 403.
    """
    components = components_of(request)
    tokens = await sign_in(request, credentials.username, credentials.password)
    _set_cookie(components, request, response, tokens.refresh_token)
    return await _shown(components, tokens)


@router.post(
    f"{PATH}/refresh",
    summary="Renew the page's sign-in",
    response_model=SignedInSession,
    responses=problems(HTTPStatus.FORBIDDEN, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, Unauthenticated, DatabaseUnavailable),
)
async def refresh(
    request: Request, response: Response, _documented: Annotated[str | None, Depends(SECURITY)]
) -> SignedInSession | Response:
    """Get an access token by the cookie, which is replaced. A cookie sent twice ends the session.

    Two tabs must not do this at once: let them share a lock (`navigator.locks`), and send it with `keepalive`, so that
    the new cookie arrives although the page is closed.
    """
    components = components_of(request)
    tokens = None
    try:
        tokens = await renew(components, _refresh_token(request) or "")
        shown = await _shown(components, tokens)
    except Unauthenticated as error:
        refused = service_error(request, error)
        _clear_cookie(components, request, refused)
        return refused
    except DatabaseUnavailable as error:
        if tokens is None:
            raise
        refused = service_error(request, error)
        _set_cookie(components, request, refused, tokens.refresh_token)  # the old one is replaced already
        return refused
    _set_cookie(components, request, response, tokens.refresh_token)
    return shown


@router.delete(
    PATH,
    summary="Sign out of the page",
    status_code=204,
    response_model=None,
    responses=problems(HTTPStatus.FORBIDDEN, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, DatabaseUnavailable),
)
async def end(request: Request, response: Response, _documented: Annotated[str | None, Depends(SECURITY)]) -> None:
    """End the session of the cookie: its access and refresh tokens end at once. No access token is needed."""
    components = components_of(request)
    if (found := _refresh_token(request)) is not None:
        async with components.database.autocommit() as session:
            await users.sign_out_by_refresh_token(session, found)
    _clear_cookie(components, request, response)


async def _shown(components: AppComponents, tokens: users.Tokens) -> SignedInSession:
    access_token = components.access.issue(tokens, is_page=True)
    signed_in = await components.access.check(access_token)
    return SignedInSession(
        access_token=access_token, expires_in=components.access.lifetime_s, user=User.of(signed_in.user)
    )


def _refresh_token(request: Request) -> str | None:
    """The cookie's value; None where there is none, or more than one: another one may be a neighbor's doing."""
    pairs = [pair.partition("=") for line in request.headers.getlist("cookie") for pair in line.split(";")]
    found = [value.strip() for name, _, value in pairs if name.strip() == COOKIE]
    return found[0] if len(found) == 1 else None


def _set_cookie(components: AppComponents, request: Request, response: Response, refresh_token: str) -> None:
    response.set_cookie(
        COOKIE,
        refresh_token,
        max_age=components.settings.refresh_token_lifetime_s,
        path=components.settings.root_path + PATH,
        secure=is_https(request.scope, components.trusted_proxies),
        httponly=True,
        samesite="strict",
    )


def _clear_cookie(components: AppComponents, request: Request, response: Response) -> None:
    response.delete_cookie(
        COOKIE,
        path=components.settings.root_path + PATH,
        secure=is_https(request.scope, components.trusted_proxies),
        httponly=True,
        samesite="strict",
    )
