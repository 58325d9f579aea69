"""Webhooks of everybody: those that fail, what was sent to them, and what can be done about it."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request

from ml_service.domain.errors import InvalidInput, NotFound, TooManyRequests
from ml_service.usecases import admin_webhooks
from services.app.api.admin.access import REFUSALS, CurrentAdmin
from services.app.api.paging import Cursor, Limit
from services.app.api.problems import BODY_REFUSED, problems
from services.app.api.schemas.admin.webhooks import AdminWebhook, AdminWebhooks, SwitchOff
from services.app.api.schemas.webhooks import Deliveries, Delivery
from services.app.api.strict import StrictRoute
from services.app.api.webhooks import DeliveryId, read_deliveries
from services.app.components import components_of

router = APIRouter(prefix="/admin", tags=["admin"], route_class=StrictRoute)


@router.get(
    "/webhooks",
    summary="List webhooks that fail",
    response_model=AdminWebhooks,
    responses=problems(*REFUSALS, InvalidInput),
)
async def list_webhooks(
    request: Request,
    _admin: CurrentAdmin,
    *,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    everything: Annotated[bool, Query(alias="all", description="Also those that work.")] = False,
) -> AdminWebhooks:
    """Webhooks of everybody that fail or are switched off, those with the most waiting messages first."""
    async with components_of(request).database.autocommit() as session:
        found = await admin_webhooks.list_all(session, everything=everything, limit=limit)
    return AdminWebhooks(items=[AdminWebhook.of(one) for one in found])


@router.post(
    "/webhooks/{webhook_id}/disable",
    summary="Switch a webhook off",
    status_code=204,
    response_model=None,
    responses=problems(*BODY_REFUSED, *REFUSALS, InvalidInput, NotFound),
)
async def disable(request: Request, current: CurrentAdmin, webhook_id: UUID, asked: SwitchOff) -> None:
    """Send nothing more to it; what waits is given up. Its owner sees it, and can switch it on again."""
    async with components_of(request).database.begin() as session:
        await admin_webhooks.disable(session, current, webhook_id, reason=asked.reason)


@router.get(
    "/webhooks/{webhook_id}/deliveries",
    summary="List messages to anybody's webhook",
    response_model=Deliveries,
    responses=problems(*REFUSALS, InvalidInput, NotFound),
)
async def list_deliveries(
    request: Request, _admin: CurrentAdmin, webhook_id: UUID, limit: Limit = 50, cursor: Cursor = None
) -> Deliveries:
    """Messages to a webhook with all attempts, newest first, without what they say. They are kept for two weeks."""
    return await read_deliveries(
        request, lambda session, **page: admin_webhooks.deliveries(session, webhook_id, **page), limit, cursor
    )


@router.post(
    "/webhooks/{webhook_id}/deliveries/{delivery_id}/resend",
    summary="Send anybody's message again",
    status_code=202,
    response_model=Delivery,
    responses=problems(*REFUSALS, InvalidInput, NotFound, TooManyRequests),
)
async def resend(request: Request, current: CurrentAdmin, webhook_id: UUID, delivery_id: DeliveryId) -> Delivery:
    """Send it again now, under the same `webhook-id`, with as many attempts as the first time."""
    async with components_of(request).database.begin() as session:
        return Delivery.of(await admin_webhooks.resend(session, current, webhook_id, delivery_id))
