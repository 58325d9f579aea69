"""Webhooks of everybody, as an operator sees them."""

from __future__ import annotations

from uuid import UUID

from ml_service.domain.errors import NotFound
from ml_service.domain.webhooks import DisabledReason
from ml_service.storage import webhooks
from ml_service.storage.database import Session
from ml_service.storage.webhooks import WebhookOfUser
from ml_service.usecases import admin


async def list_all(session: Session, *, everything: bool, limit: int) -> list[WebhookOfUser]:
    """Webhooks that fail or are switched off, or all; those with the most waiting messages first."""
    return await webhooks.list_all(session, everything=everything, limit=limit)


async def disable(session: Session, by: admin.Admin, webhook_id: UUID, *, reason: str) -> None:
    """Switch a webhook off; raises NotFound."""
    owner = await webhooks.owner_of(session, webhook_id)
    if owner is None:
        raise NotFound("There is no such webhook.")
    await webhooks.lock(session, owner)
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
