"""Dead letters, the audit, and the log of actions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from ml_service.domain.errors import InvalidInput, QueueUnavailable
from ml_service.usecases import admin
from services.app.api import cursors
from services.app.api.admin.access import REFUSALS, CurrentAdmin
from services.app.api.paging import Cursor, Limit, checked_limit
from services.app.api.problems import BODY_REFUSED, problems
from services.app.api.schemas.admin.records import (
    Action,
    Actions,
    Audit,
    DeadLetter,
    DeadLetters,
    Replay,
    Replayed,
    Skipped,
)
from services.app.api.strict import StrictRoute
from services.app.components import components_of

router = APIRouter(prefix="/admin", tags=["admin"], route_class=StrictRoute)


@router.get(
    "/dead-letters",
    summary="List dead letters",
    response_model=DeadLetters,
    responses=problems(*REFUSALS, InvalidInput, QueueUnavailable),
)
async def dead_letters(
    request: Request, _admin: CurrentAdmin, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> DeadLetters:
    """The oldest task messages that no worker could handle; they stay where they are."""
    queue = components_of(request).queue
    letters = await queue.dead_letters(limit)
    return DeadLetters(items=[DeadLetter.of(one) for one in letters], total=await queue.count_dead())


@router.post(
    "/dead-letters/replay",
    summary="Replay dead letters",
    response_model=Replayed,
    responses=problems(*BODY_REFUSED, *REFUSALS, InvalidInput, QueueUnavailable),
)
async def replay(request: Request, current: CurrentAdmin, asked: Replay) -> Replayed:
    """Send the oldest dead letters to their queue again; predictions answered meanwhile are not answered twice."""
    components = components_of(request)
    handled = await admin.replay_dead_letters(
        components.database, components.queue, current, ids=None, count=asked.count
    )
    skipped = [Skipped(id=letter_id, reason=reason) for letter_id, reason in handled.reasons.items()]
    return Replayed(replayed=handled.done, skipped=skipped)


@router.get("/audit", summary="Audit the ledger", response_model=Audit, responses=problems(*REFUSALS))
async def audit(request: Request, _admin: CurrentAdmin) -> Audit:
    """Recompute every balance, hold and capture; at most a minute old. A large ledger is for `ml-service audit`."""
    return Audit.of(await components_of(request).audits.latest())


@router.get(
    "/actions",
    summary="List what admins have done",
    response_model=Actions,
    responses=problems(*REFUSALS, InvalidInput),
)
async def list_actions(request: Request, _admin: CurrentAdmin, limit: Limit = 50, cursor: Cursor = None) -> Actions:
    """The log of actions, the newest first. It is append-only."""
    components = components_of(request)
    size = checked_limit(limit, components.settings.page_size_max)
    before = cursors.to_int(cursor)
    async with components.database.autocommit() as session:
        page, following = await admin.actions(session, before=before, limit=size)
    return Actions(items=[Action.of(one) for one in page], next_cursor=cursors.of_int(following))
