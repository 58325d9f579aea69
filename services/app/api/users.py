"""Registering, and one's own account."""

from __future__ import annotations

from fastapi import APIRouter, Request

from ml_service.domain.errors import (
    DatabaseUnavailable,
    InvalidInput,
    TooManyRequests,
    Unauthenticated,
    UsernameTaken,
    WrongCredentials,
)
from ml_service.usecases import telegram, users
from services.app.api.auth import CurrentUser
from services.app.api.problems import BODY_REFUSED, problems
from services.app.api.schemas.users import NewPassword, NewUser, TelegramCode, Tokens, User
from services.app.api.strict import StrictRoute
from services.app.parts import parts_of

HOUR_S = 3600.0

router = APIRouter(tags=["users"], route_class=StrictRoute)


@router.post(
    "/users",
    status_code=201,
    response_model=User,
    responses=problems(*BODY_REFUSED, InvalidInput, UsernameTaken, TooManyRequests, DatabaseUnavailable),
)
async def register(request: Request, new: NewUser) -> User:
    """Register. The balance begins with the starting credits."""
    parts = parts_of(request)
    address = parts.address_of(request)
    async with parts.database.autocommit() as session:
        await users.check_rate(
            session,
            f"register:{address}",
            hits_max=parts.settings.registrations_per_hour_max,
            window_s=HOUR_S,
        )
    username = users.check_new_user(new.username, new.password)
    password_hash = await parts.passwords.hash(new.password)
    async with parts.database.begin() as session:
        user = await users.register(session, username, password_hash, starting_credits=parts.settings.starting_credits)
    return User.of(user)


@router.get("/users/me", response_model=User, responses=problems(Unauthenticated, DatabaseUnavailable))
async def me(current: CurrentUser) -> User:
    """Who am I?"""
    return User.of(current.user)


@router.post(
    "/users/me/password",
    response_model=Tokens,
    responses=problems(
        *BODY_REFUSED, Unauthenticated, WrongCredentials, InvalidInput, TooManyRequests, DatabaseUnavailable
    ),
)
async def change_password(request: Request, current: CurrentUser, new: NewPassword) -> Tokens:
    """Change the password. All sessions end, this one too; the answer holds the tokens of a new one."""
    parts = parts_of(request)
    settings = parts.settings
    async with parts.database.autocommit() as session:
        # Whoever has found an open session must not guess the password by it.
        await users.check_rate(
            session,
            f"password:{current.user.id}",
            hits_max=settings.wrong_passwords_max,
            window_s=settings.wrong_passwords_window_s,
        )
    tokens = await users.change_password(
        parts.database,
        parts.passwords,
        current.user,
        new.old_password,
        new.new_password,
        lifetime_s=settings.refresh_token_lifetime_s,
    )
    return Tokens(
        access_token=parts.access.issue(tokens),
        expires_in=parts.access.lifetime_s,
        refresh_token=tokens.refresh_token,
    )


@router.post(
    "/users/me/telegram",
    status_code=201,
    response_model=TelegramCode,
    responses=problems(Unauthenticated, TooManyRequests, DatabaseUnavailable),
)
async def link_telegram(request: Request, current: CurrentUser) -> TelegramCode:
    """Make a one-time code that joins a Telegram chat with this account: its balance follows here."""
    parts = parts_of(request)
    async with parts.database.begin() as session:
        made = await telegram.issue_code(session, current.user.id)
        bot = parts.settings.bot_username.lstrip("@") or await telegram.bot_username(session)
    return TelegramCode(
        code=made.code,
        command=f"/link {made.code}",
        deep_link=f"https://t.me/{bot}?start={made.code}" if bot else None,
        expires_in=int(made.lifetime_s),
    )
