"""The user's own account: preferences, sign-ins, export and deletion."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from ml_service.domain.errors import (
    DatabaseUnavailable,
    InvalidInput,
    NotFound,
    Overloaded,
    PermissionDenied,
    TooManyRequests,
    WrongCredentials,
)
from ml_service.usecases import account, users
from services.app.api import account_export, exports
from services.app.api.problems import BODY_REFUSED, SIGNED_IN, problems
from services.app.api.schemas.account import Deletion, Preferences, SignIn, SignIns
from services.app.api.schemas.users import User
from services.app.api.strict import StrictRoute
from services.app.auth.principal import CurrentUser
from services.app.components import components_of
from services.app.http.rate_limits import noting

ERASED_AT_ONCE_S = 3.0

router = APIRouter(tags=["users"], route_class=StrictRoute)


@router.patch(
    "/users/me",
    summary="Change preferences",
    response_model=User,
    responses=problems(*BODY_REFUSED, *SIGNED_IN, InvalidInput, DatabaseUnavailable),
)
async def prefer(request: Request, current: CurrentUser, wanted: Preferences) -> User:
    """Change the page's language and where answers also go. What is left out stays as it is."""
    given = wanted.model_fields_set
    async with components_of(request).database.begin() as session:
        user = await account.set_preferences(
            session,
            current.user,
            sets_language="language" in given,
            language=wanted.language,
            notify=wanted.notify if "notify" in given else None,
        )
    return User.of(user)


@router.delete(
    "/users/me",
    summary="Delete the account",
    status_code=204,
    response_model=None,
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
async def delete(request: Request, current: CurrentUser, wanted: Deletion) -> None:
    """Delete the account. There is no way back, and credits that are left are lost.

    Name, password, sign-ins and connected chats are gone with the answer. Open predictions are canceled, and inputs,
    outputs and error messages erased: of a long history within minutes. The ledger keeps the amounts, without a name.
    """
    components = components_of(request)
    settings = components.settings
    async with components.database.autocommit() as session:
        # As for a new password: a stolen session must not be usable to guess the password.
        await users.check_rate(
            session,
            f"password:{current.session_id}",
            hits_max=settings.wrong_passwords_max,
            window_s=settings.wrong_passwords_window_s,
            note=noting(request.scope),
        )
    await account.delete(
        components.database, components.passwords, current.user, wanted.password, at_once_s=ERASED_AT_ONCE_S
    )


@router.get(
    "/users/me/export",
    summary="Export all that is kept of the account",
    response_class=Response,
    response_model=None,
    responses={
        200: {
            "description": "A JSON object a line, each with a `type`: "
            + ", ".join(f"`{one}`" for one in account_export.TYPES)
            + ". Of API keys and webhooks without their secrets; a `bulk_line` is one that has an id of yours, or that"
            " the model does not take.",
            "content": {"application/x-ndjson": {"schema": {"type": "string"}}},
        },
        **problems(*SIGNED_IN, TooManyRequests, Overloaded, DatabaseUnavailable),
    },
)
async def export(request: Request, current: CurrentUser) -> Response:
    """All of one's data as lines of JSON, streamed: of the account itself, its predictions and its transactions."""
    components = components_of(request)
    begun = await account_export.head(components, current)
    reader = exports.ExportReader(components, current)
    return exports.file(reader, "account", "jsonl", account_export.pieces(components, current, reader, begun))


@router.get(
    "/users/me/sessions",
    summary="List sign-ins",
    response_model=SignIns,
    responses=problems(*SIGNED_IN, DatabaseUnavailable),
)
async def list_sign_ins(request: Request, current: CurrentUser) -> SignIns:
    """Where the account is signed in, the last used first. The demo user, whom all share, sees this one only."""
    async with components_of(request).database.autocommit() as session:
        found = await account.sign_ins(session, current.user, current.session_id)
    return SignIns(items=[SignIn.of(one, current.session_id) for one in found])


@router.delete(
    "/users/me/sessions",
    summary="End all other sign-ins",
    status_code=204,
    response_model=None,
    responses=problems(*SIGNED_IN, PermissionDenied, DatabaseUnavailable),
)
async def end_others(request: Request, current: CurrentUser) -> None:
    """End all sign-ins but the one that asks; their tokens end at once."""
    async with components_of(request).database.begin() as session:
        await account.end_other_sign_ins(session, current.user, current.session_id)


@router.delete(
    "/users/me/sessions/{session_id}",
    summary="End a sign-in",
    status_code=204,
    response_model=None,
    responses=problems(*SIGNED_IN, NotFound, InvalidInput, DatabaseUnavailable),
)
async def end_one(request: Request, current: CurrentUser, session_id: UUID) -> None:
    """End one sign-in; its tokens end at once. Another user's is answered like a missing one."""
    async with components_of(request).database.begin() as session:
        await account.end_sign_in(session, current.user, current.session_id, session_id)
