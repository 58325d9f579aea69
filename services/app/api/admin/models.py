"""Models: prices, default versions, switched on or off."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from ml_service.domain.errors import InvalidInput, ModelNotFound
from ml_service.usecases import admin
from services.app.api.admin.access import REFUSALS, CurrentAdmin
from services.app.api.models import seen_of
from services.app.api.problems import BODY_REFUSED, problems
from services.app.api.schemas.admin.models import AdminModel, AdminModels, AdminVersion, ModelChange
from services.app.api.schemas.models import RecentTimes
from services.app.api.strict import StrictRoute
from services.app.components import AppComponents, components_of

router = APIRouter(prefix="/admin", tags=["admin"], route_class=StrictRoute)


@router.get("/models", summary="List the models for admins", response_model=AdminModels, responses=problems(*REFUSALS))
async def list_models(request: Request, _admin: CurrentAdmin) -> AdminModels:
    """All models with their versions, prices and whether they are switched on."""
    return AdminModels(items=await _models(components_of(request)))


@router.patch(
    "/models/{name}",
    summary="Change a model",
    response_model=AdminModel,
    responses=problems(*BODY_REFUSED, *REFUSALS, InvalidInput, ModelNotFound),
)
async def change_model(
    request: Request,
    current: CurrentAdmin,
    name: Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,100}$")],
    change: ModelChange,
) -> AdminModel:
    """Set a price, the default version, or switch the model off or on. In force within a second."""
    components = components_of(request)
    fields = change.model_fields_set - {"reason", "allow_unserved"}
    if not fields:
        raise InvalidInput("Name something to change.", errors=[{"location": "body", "message": "nothing to change"}])
    changes = {field: getattr(change, field) for field in sorted(fields)}
    async with components.database.begin() as session:
        await admin.change_model(
            session, current, name, changes, reason=change.reason, allow_unserved=change.allow_unserved
        )
    return next(one for one in await _models(components) if one.name == name)


async def _models(components: AppComponents) -> list[AdminModel]:
    """All models, as the tables have them now."""
    await components.catalog.refresh()
    seen = await seen_of(components)
    return [
        AdminModel(
            name=listed.spec.name,
            default_version=listed.spec.version,
            price_credits=listed.price_credits,
            is_enabled=listed.is_enabled,
            versions=[
                AdminVersion(
                    version=one.spec.version, state=seen.state(one), workers=one.workers, reason=seen.reason(one)
                )
                for one in components.catalog.versions(listed.spec.name)
            ],
            recent=RecentTimes.of(seen.times.get(listed.spec.name)),
        )
        for listed in components.catalog.all()
    ]
