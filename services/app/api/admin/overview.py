"""The state of the service."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from ml_service.domain.errors import InvalidInput
from ml_service.usecases import workers
from ml_service.usecases.operations import MINUTES_MAX, SeriesWanted, StepLength
from services.app.api.admin.access import REFUSALS, CurrentAdmin
from services.app.api.problems import problems
from services.app.api.query import KnownQueryRoute
from services.app.api.schemas.admin.overview import QueueState, Stats, Worker, Workers
from services.app.components import components_of

router = APIRouter(prefix="/admin", tags=["admin"], route_class=KnownQueryRoute)


@router.get(
    "/stats",
    summary="Show the state of the service",
    response_model=Stats,
    responses=problems(*REFUSALS, InvalidInput),
)
async def stats(
    request: Request,
    _admin: CurrentAdmin,
    minutes: Annotated[int, Query(ge=5, le=MINUTES_MAX, description="How far back the series goes.")] = 60,
    step: Annotated[
        StepLength | None, Query(description="Of the series, at most 60; without it the shortest one that fits.")
    ] = None,
    model: Annotated[
        str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,100}$", description="Only this model in the series.")
    ] = None,
) -> Stats:
    """Throughput, latency, credits, what waits, and what a person has to look at.

    A few seconds old at most; a series with steps of an hour or more, a minute. Days begin at midnight UTC.
    """
    operations = components_of(request).operations
    wanted = SeriesWanted.of(minutes, step, model)
    return Stats.of(await operations.now(), await operations.series(wanted))


@router.get("/workers", summary="List the workers", response_model=Workers, responses=problems(*REFUSALS))
async def list_workers(request: Request, _admin: CurrentAdmin) -> Workers:
    """All workers that have not stopped, the oldest first, with what each of their models does."""
    async with components_of(request).database.autocommit() as session:
        return Workers(items=[Worker.of(one) for one in await workers.list_live(session)])


@router.get("/queue", summary="Show what waits", response_model=QueueState, responses=problems(*REFUSALS))
async def queue(request: Request, _admin: CurrentAdmin) -> QueueState:
    """What waits, by the version of a model; a few seconds old at most."""
    return QueueState.of(await components_of(request).operations.now())
