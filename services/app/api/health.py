"""Health and metrics, for people, load balancers and Prometheus."""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from ml_service.domain.errors import DatabaseUnavailable, PermissionDenied, QueueUnavailable
from ml_service.domain.models import DEFAULT_POOL
from ml_service.messaging.queue import QueueDepth
from ml_service.usecases.workers import Overview, failed_models, list_live
from services.app.api.problems import problems
from services.app.api.query import KnownQueryRoute
from services.app.api.schemas.health import Alive, DatabaseHealth, Health, QueueHealth, WorkersHealth
from services.app.components import AppComponents, components_of
from services.app.http.addresses import is_direct_from
from services.app.http.metrics import CONTENT_TYPE

CHECK_S = 2.0
"""A part that does not answer a health check in so many seconds counts as away."""

router = APIRouter(tags=["health"], route_class=KnownQueryRoute)

_AWAY = {"description": "The database is away: nothing is accepted.", "model": Health}


@router.get("/health", response_model=Health, responses={503: _AWAY})
async def health(request: Request, response: Response) -> Health:
    """All parts at a glance."""
    components = components_of(request)
    seen, depth = await asyncio.gather(_look(components), _depth(components))
    report = _report(components, seen, depth)
    if report.status == "unavailable":
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return report


@router.get("/health/live", response_model=Alive)
async def live() -> Alive:
    """The process answers."""
    return Alive()


@router.get("/health/ready", response_model=Alive, responses=problems(DatabaseUnavailable))
async def ready(request: Request) -> Alive:
    """The process can take requests: the database answers."""
    async with components_of(request).database.autocommit(CHECK_S) as session:
        await session.execute("SELECT")
    return Alive()


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}},
        **problems(PermissionDenied),
    },
)
async def metrics(request: Request) -> Response:
    """Metrics of all processes on this host (in containers: of this replica). Internal: for a setting's addresses."""
    components = components_of(request)
    if not is_direct_from(request.scope, components.metrics_networks):
        raise PermissionDenied("Metrics may not be read from this address: METRICS_NETWORKS names those that may.")
    text = await asyncio.to_thread(components.metrics.text, components.load)
    return Response(text, media_type=CONTENT_TYPE)


async def _look(components: AppComponents) -> Overview | None:
    """Who works and how much waits; the counting itself is done by `LoadWatch`, once a second for everybody."""
    try:
        async with components.database.autocommit(CHECK_S) as session:
            live = await list_live(session)
    except DatabaseUnavailable:
        return None
    seen = components.load.seen
    return Overview(tuple(live), seen.open if seen else 0, seen.unsent if seen else 0)


async def _depth(components: AppComponents) -> QueueDepth | None:
    try:
        async with asyncio.timeout(CHECK_S):
            return await components.queue.depth(DEFAULT_POOL)
    except (QueueUnavailable, TimeoutError):
        return None


def _report(components: AppComponents, seen: Overview | None, depth: QueueDepth | None) -> Health:
    ready = [worker for worker in seen.workers if worker.is_alive and worker.state == "ready"] if seen else []
    failed = {one.name: one.reason for one in failed_models(seen.workers)} if seen else {}
    default_model = components.settings.default_model
    unserved = components.catalog.all_unserved(default_model, seen.workers if seen else ())
    works = bool(ready) and default_model not in unserved
    is_well = depth is not None and bool(ready) and not unserved and not failed
    return Health(
        status="unavailable" if seen is None else "ok" if is_well else "degraded",
        mode=components.settings.mode,
        database=DatabaseHealth(status="ok" if seen else "unavailable"),
        queue=QueueHealth(
            status="ok" if depth else "unavailable",
            backend=components.settings.backend,
            ready=depth.ready if depth else None,
        ),
        workers=WorkersHealth(
            status="ok" if works else "unavailable",
            ready=len(ready) if seen else None,
            ids=[worker.id for worker in ready],
            models_failed=failed,
        ),
        open_predictions=seen.open if seen else None,
        problems=list(unserved.values()) if seen else [],
    )
