"""Balance, transactions and usage."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ml_service.domain.errors import DatabaseUnavailable, InvalidInput, Overloaded
from ml_service.domain.ledger import Kind
from ml_service.usecases import ledger, usage
from services.app.api import cursors, exports
from services.app.api.paging import Cursor, Limit, checked_limit
from services.app.api.periods import From, To, end_of, start_of
from services.app.api.problems import KEYED, problems
from services.app.api.query import KnownQueryRoute
from services.app.api.schemas.ledger import Balance, Statement, Transaction, Usage
from services.app.auth.principal import Reader
from services.app.components import components_of

router = APIRouter(tags=["credits"], route_class=KnownQueryRoute)


@router.get(
    "/balance",
    summary="Show the balance",
    response_model=Balance,
    responses=problems(*KEYED, DatabaseUnavailable),
)
async def balance(request: Request, current: Reader) -> Balance:
    """What can be spent, and what is held for unfinished predictions."""
    async with components_of(request).database.autocommit() as session:
        found = await ledger.balance(session, current.user.id)
    return Balance(balance=found.balance, held=found.held)


@router.get(
    "/transactions",
    summary="List transactions",
    response_model=Statement,
    responses={
        200: {
            "description": "A page; with `format=csv` all of them, as a file.",
            "content": {"text/csv": {"schema": {"type": "string"}}},
        },
        **problems(*KEYED, InvalidInput, Overloaded, DatabaseUnavailable),
    },
)
async def transactions(
    request: Request,
    current: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
    kind: Annotated[Kind | None, Query(description="Only this kind.")] = None,
    file_kind: Annotated[
        Literal["json", "csv"], Query(alias="format", description="`csv` exports all of them.")
    ] = "json",
) -> Statement | Response:
    """Every movement of credits, newest first, with the balance after each."""
    components = components_of(request)
    size = checked_limit(limit, components.settings.page_size_max)
    start = cursors.to_statement(cursor)
    if file_kind == "csv":
        reader = exports.ExportReader(components, current)
        pieces = ledger.export(components.database, current.user.id, kind, reader.admit)
        return exports.file(reader, "transactions", file_kind, exports.transactions_as_csv(pieces))
    async with components.database.autocommit() as session:
        page, following = await ledger.statement(session, current.user.id, cursor=start, kind=kind, limit=size)
    return Statement(items=[Transaction.of(one) for one in page], next_cursor=cursors.of_statement(following))


@router.get(
    "/usage",
    summary="Show what was used",
    response_model=Usage,
    responses=problems(*KEYED, InvalidInput, DatabaseUnavailable),
)
async def show_usage(
    request: Request,
    current: Reader,
    by: Literal["day", "model", "key"] = "day",
    start: From = None,
    end: To = None,
) -> Usage:
    """Count your predictions and credits by day, model or API key; of the last 30 days if no time is named.

    Whole days (in UTC) count all that was asked for, also what is no longer kept. Of a day of which only a part is
    asked for, predictions count as long as they are kept.
    """
    since, until = start_of(start), end_of(end)
    async with components_of(request).database.begin() as session:
        return Usage.of(by, await usage.usage_of(session, current.user.id, by, since, until))
