"""Balance and transactions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from ml_service.domain.errors import DatabaseUnavailable, InvalidInput, Unauthenticated
from ml_service.domain.ledger import Kind
from ml_service.usecases import ledger
from services.app.api import cursors
from services.app.api.auth import CurrentUser
from services.app.api.paging import Cursor, Limit, checked_limit
from services.app.api.problems import problems
from services.app.api.schemas.ledger import Balance, Statement, Transaction
from services.app.parts import parts_of

router = APIRouter(tags=["credits"])


@router.get("/balance", response_model=Balance, responses=problems(Unauthenticated, DatabaseUnavailable))
async def balance(request: Request, current: CurrentUser) -> Balance:
    """What can be spent, and what is held for unfinished predictions."""
    async with parts_of(request).database.autocommit() as session:
        found = await ledger.balance(session, current.user.id)
    return Balance(balance=found.balance, held=found.held)


@router.get(
    "/transactions",
    response_model=Statement,
    responses=problems(Unauthenticated, InvalidInput, DatabaseUnavailable),
)
async def transactions(
    request: Request,
    current: CurrentUser,
    limit: Limit = 50,
    cursor: Cursor = None,
    kind: Annotated[Kind | None, Query(description="Only this kind.")] = None,
) -> Statement:
    """Every movement of credits, newest first."""
    parts = parts_of(request)
    size = checked_limit(limit, parts.settings.page_size_max)
    before = cursors.to_int(cursor)
    async with parts.database.autocommit() as session:
        page, following = await ledger.statement(session, current.user.id, before=before, kind=kind, limit=size)
    return Statement(items=[Transaction.of(one) for one in page], next_cursor=cursors.of_int(following))
