"""What can be asked. Public: a price list and its schemas."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from ml_service.domain.errors import DatabaseUnavailable, InvalidInput, ModelNotFound
from services.app.api.problems import problems
from services.app.api.schemas.models import Model, Models
from services.app.parts import parts_of

router = APIRouter(tags=["models"])


@router.get("/models", response_model=Models, responses=problems(DatabaseUnavailable))
async def list_models(request: Request) -> Models:
    """Every model, with its price, its schemas and whether it is live."""
    parts = parts_of(request)
    if not parts.catalog.all():
        await parts.catalog.refresh()
    default = parts.settings.default_model
    return Models(items=[Model.of(listed, default) for listed in parts.catalog.all()])


@router.get(
    "/models/{name}",
    response_model=Model,
    responses=problems(ModelNotFound, InvalidInput, DatabaseUnavailable),
)
async def get_model(request: Request, name: Annotated[str, Path(max_length=200)]) -> Model:
    """One model."""
    parts = parts_of(request)
    return Model.of(await parts.catalog.get(name), parts.settings.default_model)
