"""Webhooks of everybody, as an operator sees them."""

from __future__ import annotations

from uuid import UUID

from ml_service.domain.errors import NotFound
from ml_service.domain.webhooks import DisabledReason, WebhookDelivery
from ml_service.storage import webhooks
from ml_service.storage.database import Session
from ml_service.storage.webhooks import WebhookOfUser
from ml_service.usecases import admin
from ml_service.usecases import webhooks as of_users


async def list_all(session: Session, *, everything: bool, limit: int) -> list[WebhookOfUser]:
    """Webhooks that fail or are switched off, or all; those with the most waiting messages first."""
    return await webhooks.list_all(session, everything=everything, limit=limit)


async def disable(session: Session, by: admin.Admin, webhook_id: UUID, *, reason: str) -> None:
    """Switch a webhook off; one that is off already stays as it is, and nothing is logged.

    Raises:
        InvalidInput: There is no reason.
        NotFound: There is no such webhook.
    """
    reason = admin.checked_reason(reason)
    owner = await _owner(session, webhook_id)
    await webhooks.lock(session, owner)
    if await webhooks.is_on_for_update(session, owner, webhook_id) is False:
        return
    changed = await webhooks.change(session, owner, webhook_id, is_disabled=True, reason=DisabledReason.ADMIN)
    if changed is None:
        raise NotFound("There is no such webhook.")
    await admin.record(
        session,
        by,
        "webhook.disable",
        f"webhook:{webhook_id}",
        after={"url": changed.url, "disabled_reason": changed.disabled_reason},
        reason=reason,
    )


async def deliveries(
    session: Session, webhook_id: UUID, *, before: int | None, limit: int
) -> tuple[list[WebhookDelivery], int | None]:
    """A page of what was sent to anybody's webhook, newest first, and where the next one begins; raises NotFound."""
    owner = await _owner(session, webhook_id)
    return await of_users.deliveries(session, owner, webhook_id, before=before, limit=limit)


async def resend(session: Session, by: admin.Admin, webhook_id: UUID, delivery_id: int) -> WebhookDelivery:
    """Send a message to anybody's webhook again, under the same id.

    Raises:
        NotFound: There is no such webhook, or no such message of it.
        InvalidInput: The webhook is switched off.
        TooManyRequests: This person has sent too many.
    """
    owner = await _owner(session, webhook_id)
    sent = await of_users.resend(session, owner, webhook_id, delivery_id, asked_by=by.actor.id)
    after = {"delivery_id": sent.id, "event": sent.event}
    await admin.record(session, by, "webhook.resend", f"webhook:{webhook_id}", after=after)
    return sent


async def _owner(session: Session, webhook_id: UUID) -> UUID:
    owner = await webhooks.owner_of(session, webhook_id)
    if owner is None:
        raise NotFound("There is no such webhook.")
    return owner
