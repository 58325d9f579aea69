"""What the service is, for those who have not signed in."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.usecases import telegram
from services.app.api.query import KnownQueryRoute
from services.app.api.schemas.service import ServiceInfo, ServiceLimits
from services.app.components import AppComponents, components_of

MAX_AGE_S = 60

router = APIRouter(tags=["models"], route_class=KnownQueryRoute)


@router.get("/service", summary="Show what the service is", response_model=ServiceInfo)
async def show(request: Request, response: Response) -> ServiceInfo:
    """Name, mode, and what a newcomer gets. Public, and may be kept for a minute."""
    components = components_of(request)
    settings = components.settings
    bot, is_known = await _bot(components)
    if is_known:
        response.headers["Cache-Control"] = f"public, max-age={MAX_AGE_S}"
    return ServiceInfo(
        name=request.app.title,
        version=request.app.version,
        mode=settings.mode,
        registration=settings.registration,
        starting_credits=settings.starting_credits,
        default_model=settings.default_model,
        telegram_bot=bot,
        limits=ServiceLimits(batch_max=settings.batch_items_max, body_bytes_max=settings.body_bytes_max),
    )


async def _bot(components: AppComponents) -> tuple[str | None, bool]:
    """The bot's name, and whether that is known: the page begins without the database, too."""
    if components.settings.bot_username:
        return components.settings.bot_username.lstrip("@"), True
    try:
        async with components.database.autocommit() as session:
            return await telegram.bot_username(session), True
    except DatabaseUnavailable:
        return None, False
