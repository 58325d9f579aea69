"""Users: who they are, credits, blocks."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from ml_service.domain.errors import (
    AccountDeleted,
    IdempotencyKeyReused,
    InvalidInput,
    LastAdmin,
    NotFound,
    PermissionDenied,
)
from ml_service.domain.ledger import Kind
from ml_service.storage import admin_predictions
from ml_service.usecases import admin, ledger
from services.app.api import cursors
from services.app.api.admin.access import REFUSALS, CurrentAdmin
from services.app.api.idempotency import IdempotencyKey, required_key_of
from services.app.api.paging import Cursor, Limit, checked_limit
from services.app.api.problems import BODY_REFUSED, problems
from services.app.api.schemas.admin.users import (
    AdminPrediction,
    AdminUser,
    AdminUsers,
    AdminUserWithHistory,
    NewCredits,
    UserChange,
)
from services.app.api.schemas.ledger import Transaction
from services.app.api.strict import StrictRoute
from services.app.components import components_of

LAST = 20

router = APIRouter(prefix="/admin", tags=["admin"], route_class=StrictRoute)


@router.get("/users", summary="List users", response_model=AdminUsers, responses=problems(*REFUSALS, InvalidInput))
async def list_users(
    request: Request,
    _admin: CurrentAdmin,
    limit: Limit = 50,
    cursor: Cursor = None,
    q: Annotated[
        str | None, Query(max_length=64, pattern=r"^[^\x00]*$", description="The beginning of the name.")
    ] = None,
) -> AdminUsers:
    """Users with balances, the newest first."""
    components = components_of(request)
    size = checked_limit(limit, components.settings.page_size_max)
    before = cursors.to_uuid(cursor)
    async with components.database.autocommit() as session:
        page, following = await admin.list_accounts(session, name=q or None, before=before, limit=size)
    return AdminUsers(items=[AdminUser.of(one) for one in page], next_cursor=cursors.of_uuid(following))


@router.get(
    "/users/{user_id}",
    summary="Show a user",
    response_model=AdminUserWithHistory,
    responses=problems(*REFUSALS, InvalidInput, NotFound),
)
async def show_user(request: Request, _admin: CurrentAdmin, user_id: UUID) -> AdminUserWithHistory:
    """A user with the last transactions and predictions."""
    async with components_of(request).database.autocommit() as session:
        found = await admin.account(session, user_id)
        lines, _ = await ledger.statement(session, user_id, cursor=None, kind=None, limit=LAST)
        asked = await admin_predictions.newest(session, user_id=user_id, before=None, limit=LAST)
    return AdminUserWithHistory(
        **AdminUser.of(found).model_dump(),
        transactions=[Transaction.of(one) for one in lines],
        predictions=[AdminPrediction.of(one) for one in asked],
    )


@router.patch(
    "/users/{user_id}",
    summary="Block a user, or change the role",
    response_model=AdminUser,
    responses=problems(*BODY_REFUSED, *REFUSALS, InvalidInput, NotFound, PermissionDenied, LastAdmin, AccountDeleted),
)
async def change_user(request: Request, current: CurrentAdmin, user_id: UUID, change: UserChange) -> AdminUser:
    """A blocked user is signed out everywhere, and cannot sign in or ask for predictions. What was accepted goes on.

    A role is in force at the next request. Of those who can sign in, one always stays an admin.
    """
    if not change.model_fields_set & {"is_blocked", "role"} or (
        "is_blocked" in change.model_fields_set and change.is_blocked is None
    ):
        errors = [{"location": "body", "message": "nothing to change"}]
        raise InvalidInput("Name `is_blocked` (true or false), `role`, or both.", errors=errors)
    async with components_of(request).database.begin() as session:
        if "role" in change.model_fields_set:
            await admin.set_role(session, current, user_id, change.role, reason=change.reason)
        if change.is_blocked is not None:
            await admin.set_blocked(session, current, user_id, is_blocked=change.is_blocked, reason=change.reason)
        return AdminUser.of(await admin.account(session, user_id))


@router.post(
    "/users/{user_id}/credits",
    summary="Move credits by hand",
    response_model=AdminUser,
    responses=problems(*BODY_REFUSED, *REFUSALS, InvalidInput, NotFound, IdempotencyKeyReused, AccountDeleted),
)
async def move_credits(
    request: Request,
    response: Response,
    current: CurrentAdmin,
    user_id: UUID,
    new: NewCredits,
    _key: IdempotencyKey = None,
) -> AdminUser:
    """Top a user up, or correct a balance either way. It needs an `Idempotency-Key`, which moves nothing twice.

    A deleted account is given nothing (409 `account_deleted`); what it has can be taken.

    The role `support` may give `SUPPORT_CREDITS_PER_DAY_MAX` credits in 24 hours, and take none.
    """
    components = components_of(request)
    key = required_key_of(request.scope)
    async with components.database.begin() as session:
        moved = await admin.move_credits(
            session, current, user_id, Kind(new.kind), new.amount, reason=new.reason, key=key
        )
        found = await admin.account(session, user_id)
    if moved.is_repeated:
        response.headers["Idempotent-Replayed"] = "true"
    components.live_changes.tell([user_id])
    return AdminUser.of(found)
