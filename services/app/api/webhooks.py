"""Webhooks: addresses that events are sent to, and the log of deliveries."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request

from ml_service.domain.errors import (
    AccountDeleted,
    DatabaseUnavailable,
    InvalidInput,
    NotFound,
    TooManyRequests,
)
from ml_service.domain.webhooks import WebhookDelivery
from ml_service.usecases import webhooks
from services.app.api import cursors
from services.app.api.paging import Cursor, Limit, checked_limit
from services.app.api.problems import BODY_REFUSED, KEYED, problems
from services.app.api.schemas.webhooks import (
    CreatedWebhook,
    Deliveries,
    Delivery,
    NewWebhook,
    Rotation,
    Webhook,
    WebhookChange,
    Webhooks,
    WebhookSecret,
)
from services.app.api.strict import StrictRoute
from services.app.auth.principal import WebhookManager
from services.app.components import components_of

router = APIRouter(tags=["webhooks"], route_class=StrictRoute)

DeliveryId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.post(
    "/webhooks",
    summary="Create a webhook",
    status_code=201,
    response_model=CreatedWebhook,
    responses=problems(*BODY_REFUSED, *KEYED, InvalidInput, AccountDeleted, DatabaseUnavailable),
)
async def create(request: Request, current: WebhookManager, new: NewWebhook) -> CreatedWebhook:
    """Send messages to an address from now on, about what is accepted from now on. The secret is shown only here.

    Messages follow [Standard Webhooks](https://www.standardwebhooks.com); its libraries check the signature.
    """
    components = components_of(request)
    async with components.database.begin() as session:
        made, secret = await webhooks.create(
            session,
            current.user.id,
            new.url,
            new.events,
            components.webhook_limits,
            balance_low_credits=new.balance_low_credits,
        )
    return CreatedWebhook(**Webhook.fields_of(made), secret=secret)


@router.get(
    "/webhooks",
    summary="List webhooks",
    response_model=Webhooks,
    responses=problems(*KEYED, DatabaseUnavailable),
)
async def show_all(request: Request, current: WebhookManager) -> Webhooks:
    """All of the account's webhooks, the oldest first."""
    async with components_of(request).database.autocommit() as session:
        found = await webhooks.list_of(session, current.user.id)
    return Webhooks(items=[Webhook.of(one) for one in found])


@router.get(
    "/webhooks/secret",
    summary="Show the account's own secret",
    response_model=WebhookSecret,
    responses=problems(*KEYED, DatabaseUnavailable),
)
async def show_secret(request: Request, current: WebhookManager) -> WebhookSecret:
    """What signs messages to the addresses that requests name (`"webhook": {"url": …}`)."""
    async with components_of(request).database.autocommit() as session:
        return WebhookSecret.of(await webhooks.own_secret(session, current.user.id))


@router.post(
    "/webhooks/secret/rotate",
    summary="Rotate the account's own secret",
    response_model=WebhookSecret,
    responses=problems(*BODY_REFUSED, *KEYED, InvalidInput, DatabaseUnavailable),
)
async def rotate_own(request: Request, current: WebhookManager, wanted: Rotation) -> WebhookSecret:
    """Replace it; for `grace_s` seconds messages are signed with both."""
    async with components_of(request).database.begin() as session:
        return WebhookSecret.of(await webhooks.rotate_own(session, current.user.id, wanted.grace_s))


@router.get(
    "/webhooks/deliveries",
    summary="List messages to all webhooks",
    response_model=Deliveries,
    responses=problems(*KEYED, InvalidInput, DatabaseUnavailable),
)
async def show_all_deliveries(
    request: Request, current: WebhookManager, limit: Limit = 50, cursor: Cursor = None
) -> Deliveries:
    """Messages to all webhooks, and to addresses that requests named, newest first. They are kept for two weeks."""
    return await read_deliveries(
        request, lambda session, **page: webhooks.deliveries(session, current.user.id, None, **page), limit, cursor
    )


@router.post(
    "/webhooks/deliveries/{delivery_id}/resend",
    summary="Send any message again",
    status_code=202,
    response_model=Delivery,
    responses=problems(*KEYED, NotFound, InvalidInput, TooManyRequests, DatabaseUnavailable),
)
async def resend_any(request: Request, current: WebhookManager, delivery_id: DeliveryId) -> Delivery:
    """Send a message to an address that a request named again, under the same `webhook-id`."""
    async with components_of(request).database.begin() as session:
        return Delivery.of(await webhooks.resend(session, current.user.id, None, delivery_id))


@router.patch(
    "/webhooks/{webhook_id}",
    summary="Change a webhook",
    response_model=Webhook,
    responses=problems(*BODY_REFUSED, *KEYED, NotFound, InvalidInput, DatabaseUnavailable),
)
async def change(request: Request, current: WebhookManager, webhook_id: UUID, wanted: WebhookChange) -> Webhook:
    """Change its address or events, or switch it off or on. What is left out stays as it is."""
    components = components_of(request)
    async with components.database.begin() as session:
        changed = await webhooks.change(
            session,
            current.user.id,
            webhook_id,
            components.webhook_limits,
            url=wanted.url,
            events=wanted.events,
            balance_low_credits=wanted.balance_low_credits,
            is_enabled=wanted.is_enabled,
        )
    return Webhook.of(changed)


@router.delete(
    "/webhooks/{webhook_id}",
    summary="Delete a webhook",
    status_code=204,
    response_model=None,
    responses=problems(*KEYED, NotFound, InvalidInput, DatabaseUnavailable),
)
async def delete(request: Request, current: WebhookManager, webhook_id: UUID) -> None:
    """Delete a webhook; what waits for it is given up."""
    async with components_of(request).database.begin() as session:
        await webhooks.delete(session, current.user.id, webhook_id)


@router.post(
    "/webhooks/{webhook_id}/rotate-secret",
    summary="Rotate a webhook's secret",
    response_model=WebhookSecret,
    responses=problems(*BODY_REFUSED, *KEYED, NotFound, InvalidInput, DatabaseUnavailable),
)
async def rotate(request: Request, current: WebhookManager, webhook_id: UUID, wanted: Rotation) -> WebhookSecret:
    """Replace its secret, which is shown only here; for `grace_s` seconds messages are signed with both."""
    async with components_of(request).database.begin() as session:
        return WebhookSecret.of(await webhooks.rotate(session, current.user.id, webhook_id, wanted.grace_s))


@router.post(
    "/webhooks/{webhook_id}/test",
    summary="Send a test event",
    status_code=202,
    response_model=Delivery,
    responses=problems(*KEYED, NotFound, InvalidInput, TooManyRequests, DatabaseUnavailable),
)
async def send_test(request: Request, current: WebhookManager, webhook_id: UUID) -> Delivery:
    """Send the event `webhook.test`, also to a webhook that is switched off; the log shows what came of it."""
    async with components_of(request).database.begin() as session:
        return Delivery.of(await webhooks.send_test(session, current.user.id, webhook_id))


@router.get(
    "/webhooks/{webhook_id}/deliveries",
    summary="List messages to a webhook",
    response_model=Deliveries,
    responses=problems(*KEYED, NotFound, InvalidInput, DatabaseUnavailable),
)
async def show_deliveries(
    request: Request, current: WebhookManager, webhook_id: UUID, limit: Limit = 50, cursor: Cursor = None
) -> Deliveries:
    """Messages to a webhook with all attempts, newest first. They are kept for two weeks."""
    return await read_deliveries(
        request,
        lambda session, **page: webhooks.deliveries(session, current.user.id, webhook_id, **page),
        limit,
        cursor,
    )


@router.post(
    "/webhooks/{webhook_id}/deliveries/{delivery_id}/resend",
    summary="Send a message again",
    status_code=202,
    response_model=Delivery,
    responses=problems(*KEYED, NotFound, InvalidInput, TooManyRequests, DatabaseUnavailable),
)
async def resend(request: Request, current: WebhookManager, webhook_id: UUID, delivery_id: DeliveryId) -> Delivery:
    """Send it again now, under the same `webhook-id`, with as many attempts as the first time."""
    async with components_of(request).database.begin() as session:
        return Delivery.of(await webhooks.resend(session, current.user.id, webhook_id, delivery_id))


async def read_deliveries(
    request: Request,
    read: Callable[..., Awaitable[tuple[list[WebhookDelivery], int | None]]],
    limit: int,
    cursor: str | None,
) -> Deliveries:
    """A page of the log, of which ``read`` takes a session, ``before`` and ``limit``."""
    components = components_of(request)
    size = checked_limit(limit, components.settings.page_size_max)
    before = cursors.to_int(cursor)
    async with components.database.autocommit() as session:
        page, following = await read(session, before=before, limit=size)
    return Deliveries(items=[Delivery.of(one) for one in page], next_cursor=cursors.of_int(following))
