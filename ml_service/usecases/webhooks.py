"""Webhooks of a user, their secrets, and the log of what was sent to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson

from ml_service.domain.addresses import Network
from ml_service.domain.errors import AccountDeleted, InvalidInput, NotFound
from ml_service.domain.ids import new_id
from ml_service.domain.users import DELETED
from ml_service.domain.webhooks import (
    TEST_EVENT,
    Secret,
    Webhook,
    WebhookDelivery,
    WebhookEvent,
    check_url,
    new_secret,
)
from ml_service.storage import webhook_deliveries, webhooks
from ml_service.storage.database import Session
from ml_service.usecases.users import check_rate

SENDS_PER_MINUTE_MAX = 60
"""Tests, and messages that a user asks to be sent again."""
_NONE = "There is no such webhook."


@dataclass(frozen=True, slots=True)
class WebhookLimits:
    """Where messages may go, and how many webhooks a user may have; settings say it."""

    per_user_max: int
    ports: tuple[range, ...]
    networks: tuple[Network, ...]

    def check(self, url: str, location: str = "body.url") -> None:
        """Refuse a URL that is never sent to; raises InvalidInput."""
        check_url(url, self.ports, self.networks, location)


async def create(
    session: Session,
    user_id: UUID,
    url: str,
    events: Sequence[WebhookEvent],
    limits: WebhookLimits,
    *,
    balance_low_credits: int,
) -> tuple[Webhook, str]:
    """A new webhook, and its secret.

    Raises:
        InvalidInput: The URL is none that is sent to, or there are too many webhooks.
        AccountDeleted: The account was deleted meanwhile.
    """
    limits.check(url)
    count = await webhooks.lock(session, user_id)
    if count is None:
        raise AccountDeleted(DELETED)
    if count >= limits.per_user_max:
        raise InvalidInput(f"An account has at most {limits.per_user_max} webhooks; delete one first.")
    secret = new_secret()
    made = await webhooks.add(
        session, new_id(), user_id, url, sorted(set(events)), secret, balance_low_credits=balance_low_credits
    )
    return made, secret


async def list_of(session: Session, user_id: UUID) -> list[Webhook]:
    """A user's webhooks, the oldest first."""
    return await webhooks.list_of(session, user_id)


async def change(
    session: Session,
    user_id: UUID,
    webhook_id: UUID,
    limits: WebhookLimits,
    *,
    url: str | None = None,
    events: Sequence[WebhookEvent] | None = None,
    balance_low_credits: int | None = None,
    is_enabled: bool | None = None,
) -> Webhook:
    """Change what is not None.

    Raises:
        NotFound: There is no such webhook of the user's.
        InvalidInput: The URL is none that is sent to.
    """
    if url is not None:
        limits.check(url)
    await webhooks.lock(session, user_id)
    changed = await webhooks.change(
        session,
        user_id,
        webhook_id,
        url=url,
        events=None if events is None else sorted(set(events)),
        balance_low_credits=balance_low_credits,
        is_disabled=None if is_enabled is None else not is_enabled,
    )
    if changed is None:
        raise NotFound(_NONE)
    return changed


async def delete(session: Session, user_id: UUID, webhook_id: UUID) -> None:
    """Delete a webhook; raises NotFound."""
    await webhooks.lock(session, user_id)
    if not await webhooks.delete(session, user_id, webhook_id):
        raise NotFound(_NONE)


async def rotate(session: Session, user_id: UUID, webhook_id: UUID, grace_s: float) -> Secret:
    """Give a webhook a new secret. The old one signs as well for ``grace_s`` seconds; raises NotFound."""
    rotated = await webhooks.rotate(session, user_id, webhook_id, new_secret(), grace_s)
    if rotated is None:
        raise NotFound(_NONE)
    return rotated


async def own_secret(session: Session, user_id: UUID) -> Secret:
    """The secret that signs messages to webhooks named by the user's requests; made when it is first asked for."""
    found = await webhooks.secrets_of(session, {user_id: new_secret()})
    return found[user_id] if found else (await webhooks.secrets_of(session, {user_id: new_secret()}))[user_id]


async def rotate_own(session: Session, user_id: UUID, grace_s: float) -> Secret:
    """Give the account another secret of its own. The old one signs as well for ``grace_s`` seconds."""
    return await webhooks.rotate_own(session, user_id, new_secret(), grace_s)


async def send_test(session: Session, user_id: UUID, webhook_id: UUID) -> WebhookDelivery:
    """Owe a webhook a test event, even one that is switched off.

    Raises:
        NotFound: There is no such webhook of the user's.
        TooManyRequests: Too many were sent by hand.
    """
    await _get(session, user_id, webhook_id)
    await _check_rate(session, user_id)
    data = orjson.dumps({"webhook_id": webhook_id}).decode()
    id_ = await webhook_deliveries.owe_to(session, user_id, webhook_id, TEST_EVENT, new_id(), data)
    return await _delivery(session, user_id, id_)


async def deliveries(
    session: Session, user_id: UUID, webhook_id: UUID | None, *, before: int | None, limit: int
) -> tuple[list[WebhookDelivery], int | None]:
    """A page of the log, newest first, and where the next one begins.

    Args:
        webhook_id: None: of all webhooks, and of those that requests named.

    Raises:
        NotFound: There is no such webhook of the user's.
    """
    if webhook_id is not None:
        await _get(session, user_id, webhook_id)
    page, has_more = await webhook_deliveries.list_of(session, user_id, webhook_id, before=before, limit=limit)
    return page, page[-1].id if has_more else None


async def resend(
    session: Session, user_id: UUID, webhook_id: UUID | None, delivery_id: int, *, asked_by: str | None = None
) -> WebhookDelivery:
    """Send a message again, under the same id.

    Args:
        webhook_id: None: whichever it is of.
        asked_by: Whose limit counts, where it is not the user who asks.

    Raises:
        NotFound: There is no such message of this webhook.
        InvalidInput: The webhook is switched off.
        TooManyRequests: Too many were sent by hand.
    """
    found = await _delivery(session, user_id, delivery_id)
    if webhook_id is not None and found.webhook_id != webhook_id:
        raise NotFound("There is no such message.")
    if found.webhook_id is not None and found.event != TEST_EVENT:
        webhook = await _get(session, user_id, found.webhook_id)
        if webhook.disabled_at is not None:
            raise InvalidInput("The webhook is switched off; switch it on first.")
    await _check_rate(session, asked_by or user_id)
    await webhook_deliveries.resend(session, user_id, delivery_id)
    return await _delivery(session, user_id, delivery_id)


async def owe_bulk_finished(session: Session, user_id: UUID, bulk_id: UUID, job: str) -> None:
    """Owe `bulk.finished` to the user's webhooks that hear of it, in the transaction that ends the job.

    Args:
        job: The bulk job as the API shows it, as JSON text.
    """
    await webhook_deliveries.owe(session, user_id, WebhookEvent.BULK_FINISHED, bulk_id, job)


async def _get(session: Session, user_id: UUID, webhook_id: UUID) -> Webhook:
    found = await webhooks.get(session, user_id, webhook_id)
    if found is None:
        raise NotFound(_NONE)
    return found


async def _delivery(session: Session, user_id: UUID, id_: int) -> WebhookDelivery:
    found = await webhook_deliveries.get(session, user_id, id_)
    if found is None:
        raise NotFound("There is no such message.")
    return found


async def _check_rate(session: Session, sender: UUID | str) -> None:
    await check_rate(session, f"webhooks:{sender}", hits_max=SENDS_PER_MINUTE_MAX, window_s=60)
