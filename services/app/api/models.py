"""The models that can be asked. Public: a price list and its schemas."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from ml_service.domain.errors import DatabaseUnavailable, InvalidInput, ModelNotFound
from services.app.api.problems import problems
from services.app.api.query import KnownQueryRoute
from services.app.api.schemas.models import BrokenModel, Model, Models, Seen
from services.app.components import AppComponents, components_of

router = APIRouter(tags=["models"], route_class=KnownQueryRoute)


@router.get("/models", response_model=Models, responses=problems(DatabaseUnavailable))
async def list_models(request: Request) -> Models:
    """List the models, with their prices, schemas, versions and recent times, and whether they are live."""
    components = components_of(request)
    if not components.catalog.all():
        await components.catalog.refresh_for_unknown()
    seen = await seen_of(components)
    return Models(
        items=[await Model.of(listed.spec.name, seen) for listed in components.catalog.all()],
        broken=[BrokenModel(name=one.name, reason=one.reason, workers=len(one.workers)) for one in seen.broken],
    )


@router.get(
    "/models/{name}",
    response_model=Model,
    responses=problems(ModelNotFound, InvalidInput, DatabaseUnavailable),
)
async def get_model(request: Request, name: Annotated[str, Path(max_length=200)]) -> Model:
    """Get a model, at its default version or, as `name@version`, at any other."""
    return await Model.of(name, await seen_of(components_of(request)))


async def seen_of(components: AppComponents) -> Seen:
    """What is known of all models, as of the last looks at the load and the times."""
    return Seen.of(
        components.catalog,
        components.settings.default_model,
        components.load.seen.workers if components.load.seen else (),
        await components.model_times.by_model(),
    )
