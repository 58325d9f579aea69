"""Search by anything."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from ml_service.domain.errors import InvalidInput
from ml_service.usecases import searching
from services.app.api.admin.access import REFUSALS, CurrentAdmin
from services.app.api.problems import problems
from services.app.api.query import KnownQueryRoute
from services.app.api.schemas.admin.search import FoundThing, SearchResult
from services.app.components import components_of

router = APIRouter(prefix="/admin", tags=["admin"], route_class=KnownQueryRoute)


@router.get(
    "/search", summary="Search by anything", response_model=SearchResult, responses=problems(*REFUSALS, InvalidInput)
)
async def search(
    request: Request,
    _admin: CurrentAdmin,
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=searching.TEXT_LENGTH_MAX,
            pattern=r"^[^\x00]*$",
            description=(
                "The id of a user, prediction, batch, bulk job, API key or webhook; the number of a transaction or a"
                " Telegram chat; the beginning of an API key or of a user's name."
            ),
        ),
    ],
) -> SearchResult:
    """What this may be, at most 20 of a kind. Send no more of an API key than its first 10 characters."""
    async with components_of(request).database.autocommit() as session:
        return SearchResult(items=[FoundThing.of(one) for one in await searching.search(session, q)])
