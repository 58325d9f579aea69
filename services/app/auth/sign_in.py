"""Signing in and renewing a sign-in: the same for every route that offers it, with the same limits."""

from __future__ import annotations

from fastapi import Request

from ml_service.domain.errors import InvalidInput, Unauthenticated
from ml_service.usecases import users
from ml_service.usecases.users import SignInLimits, Tokens
from services.app.components import AppComponents, components_of
from services.app.http.rate_limits import noting
from services.app.http.user_agents import client_name


async def sign_in(request: Request, username: str | None, password: str | None) -> Tokens:
    """Check a password and begin a session; raises what `users.sign_in` raises, and InvalidInput."""
    components = components_of(request)
    for field, value in (("username", username), ("password", password)):
        if value is None:
            raise invalid(field, "Field required")
        if "\0" in value:
            raise invalid(field, "A NUL character is not allowed")
    settings = components.settings
    return await users.sign_in(
        components.database,
        components.passwords,
        username or "",
        password or "",
        address=components.address_of(request),
        limits=SignInLimits(settings.wrong_passwords_max, settings.wrong_passwords_window_s),
        lifetime_s=settings.refresh_token_lifetime_s,
        client=client_name(request.scope),
        note=noting(request.scope),
    )


async def renew(components: AppComponents, refresh_token: str) -> Tokens:
    """Exchange a refresh token for the next one; raises Unauthenticated."""
    async with components.database.begin() as session:
        tokens = await users.renew(session, refresh_token)
    # Only now, after the commit: a replayed token has ended its session, and that must stay.
    if tokens is None:
        raise Unauthenticated("The refresh token is not valid, or no longer: sign in again.")
    return tokens


def invalid(field: str, message: str) -> InvalidInput:
    """What is wrong with one field of the body."""
    return InvalidInput(f"{field}: {message}.", errors=[{"location": f"body.{field}", "message": message}])
