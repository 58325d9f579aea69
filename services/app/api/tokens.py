"""Signing in, renewing, signing out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from ml_service.domain.errors import (
    DatabaseUnavailable,
    InvalidInput,
    TooManyRequests,
    Unauthenticated,
    WrongCredentials,
)
from ml_service.usecases import users
from ml_service.usecases.users import SignInLimits
from services.app.api.auth import CurrentUser
from services.app.api.problems import BODY_REFUSED, problems
from services.app.api.schemas.users import TokenForm, Tokens
from services.app.parts import Parts, parts_of

router = APIRouter(tags=["users"])


@router.post(
    "/token",
    response_model=Tokens,
    responses=problems(
        *BODY_REFUSED, WrongCredentials, Unauthenticated, InvalidInput, TooManyRequests, DatabaseUnavailable
    ),
)
async def token(request: Request, form: Annotated[TokenForm, Depends()]) -> Tokens:
    """Sign in with a password, or exchange a refresh token for the next pair.

    Unknown names and wrong passwords are answered alike. After some wrong ones in a row this account is closed to this
    address for some minutes. A refresh token is good for one exchange; a second one ends the session.
    """
    parts = parts_of(request)
    if form.grant_type == "refresh_token":
        tokens = await _renew(parts, form.refresh_token)
    else:
        tokens = await _sign_in(parts, form.username, form.password, parts.address_of(request))
    return Tokens(
        access_token=parts.access.issue(tokens),
        expires_in=parts.access.lifetime_s,
        refresh_token=tokens.refresh_token,
    )


@router.post("/logout", status_code=204, responses=problems(Unauthenticated, DatabaseUnavailable), response_model=None)
async def logout(request: Request, current: CurrentUser) -> None:
    """Sign out: the session's access and refresh tokens end at once."""
    async with parts_of(request).database.autocommit() as session:
        await users.sign_out(session, current.session_id)


async def _sign_in(parts: Parts, username: str | None, password: str | None, address: str) -> users.Tokens:
    for field, value in (("username", username), ("password", password)):
        if value is None:
            raise _invalid(field, "Field required")
        if "\0" in value:
            raise _invalid(field, "A NUL character is not allowed")
    settings = parts.settings
    return await users.sign_in(
        parts.database,
        parts.passwords,
        username or "",
        password or "",
        address=address,
        limits=SignInLimits(settings.wrong_passwords_max, settings.wrong_passwords_window_s),
        lifetime_s=settings.refresh_token_lifetime_s,
    )


async def _renew(parts: Parts, refresh_token: str | None) -> users.Tokens:
    if refresh_token is None:
        raise _invalid("refresh_token", "Field required")
    async with parts.database.begin() as session:
        tokens = await users.renew(session, refresh_token)
    # Only now, after the commit: a replayed token has ended its session, and that must stay.
    if tokens is None:
        raise Unauthenticated("The refresh token is not, or no longer, valid.")
    return tokens


def _invalid(field: str, message: str) -> InvalidInput:
    return InvalidInput(f"{field}: {message}.", errors=[{"location": f"body.{field}", "message": message}])
