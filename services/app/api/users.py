"""Registration, and the user's own account."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request

from ml_service.domain.credentials import Principal
from ml_service.domain.errors import (
    DatabaseUnavailable,
    InvalidInput,
    Overloaded,
    PermissionDenied,
    TooManyRequests,
    UsernameTaken,
    WrongCredentials,
)
from ml_service.storage.sessions import Device
from ml_service.usecases import account, telegram, users
from services.app.api.problems import BODY_REFUSED, KEYED, SIGNED_IN, problems
from services.app.api.schemas.users import NewPassword, NewUser, TelegramCode, TelegramState, Tokens, User
from services.app.api.strict import StrictRoute
from services.app.auth.principal import CurrentUser, Reader
from services.app.components import components_of
from services.app.http.rate_limits import noting
from services.app.http.user_agents import client_name

HOUR_S = 3600.0

router = APIRouter(tags=["users"], route_class=StrictRoute)


@router.post(
    "/users",
    status_code=201,
    response_model=User,
    summary="Register",
    responses=problems(
        *BODY_REFUSED,
        PermissionDenied,
        InvalidInput,
        UsernameTaken,
        TooManyRequests,
        Overloaded,
        DatabaseUnavailable,
    ),
)
async def register(request: Request, new: NewUser) -> User:
    """The balance begins with the starting credits. With `REGISTRATION=closed` nobody can register."""
    components = components_of(request)
    settings = components.settings
    if settings.registration == "closed":
        raise PermissionDenied("Registration is closed; ask those who run this service for an account.")
    username = await asyncio.to_thread(users.check_new_user, new.username, new.password)
    async with components.database.autocommit() as session:
        for key, hits_max in (
            (f"register:{components.address_of(request)}", settings.registrations_per_hour_max),
            ("register_in_all", settings.registrations_in_all_per_hour_max),
        ):
            await users.check_rate(session, key, hits_max=hits_max, window_s=HOUR_S, note=noting(request.scope))
    password_hash = await components.passwords.hash(new.password)
    async with components.database.begin() as session:
        user = await users.register(session, username, password_hash, starting_credits=settings.starting_credits)
    return User.of(user)


@router.get(
    "/users/me",
    summary="Show the account",
    response_model=User,
    responses=problems(*KEYED, DatabaseUnavailable),
)
async def me(current: Reader) -> User:
    """Who is signed in, with the balance."""
    return User.of(current.user)


@router.post(
    "/users/me/password",
    summary="Change the password",
    response_model=Tokens,
    responses=problems(
        *BODY_REFUSED,
        *SIGNED_IN,
        WrongCredentials,
        PermissionDenied,
        InvalidInput,
        TooManyRequests,
        Overloaded,
        DatabaseUnavailable,
    ),
)
async def change_password(request: Request, current: CurrentUser, new: NewPassword) -> Tokens:
    """Change the password. All sessions end, this one too; the answer holds the tokens of a new one."""
    components = components_of(request)
    settings = components.settings
    async with components.database.autocommit() as session:
        # A stolen session must be usable neither to guess the password nor to lock its owner out.
        await users.check_rate(
            session,
            f"password:{current.session_id}",
            hits_max=settings.wrong_passwords_max,
            window_s=settings.wrong_passwords_window_s,
            note=noting(request.scope),
        )
    tokens = await users.change_password(
        components.database,
        components.passwords,
        current.user,
        new.old_password,
        new.new_password,
        lifetime_s=settings.refresh_token_lifetime_s,
        device=Device(components.address_of(request), client_name(request.scope)),
    )
    return Tokens(
        access_token=components.access.issue(tokens),
        expires_in=components.access.lifetime_s,
        refresh_token=tokens.refresh_token,
    )


@router.get(
    "/users/me/telegram",
    summary="Show whether Telegram is connected",
    response_model=TelegramState,
    responses=problems(*SIGNED_IN, DatabaseUnavailable),
)
async def show_telegram(request: Request, current: CurrentUser) -> TelegramState:
    """In how many chats this account pays. A chat leaves it by `/unlink`."""
    async with components_of(request).database.autocommit() as session:
        return TelegramState(chats=len(await account.chats_of(session, current.user)))


@router.post(
    "/users/me/telegram",
    summary="Make a code that connects a Telegram chat",
    status_code=201,
    response_model=TelegramCode,
    responses=problems(*SIGNED_IN, TooManyRequests, DatabaseUnavailable),
)
async def link_telegram(request: Request, current: CurrentUser) -> TelegramCode:
    """Make a one-time code that connects a Telegram chat to this account: its balance follows here."""
    components = components_of(request)
    async with components.database.begin() as session:
        made = await telegram.issue_code(session, Principal(current.user.id, current.session_id), noting(request.scope))
        bot = components.settings.bot_username.lstrip("@") or await telegram.bot_username(session)
    return TelegramCode(
        code=made.code,
        command=f"/link {made.code}",
        deep_link=f"https://t.me/{bot}?start={made.code}" if bot else None,
        expires_in=int(made.lifetime_s),
    )
