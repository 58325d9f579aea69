"""Webhooks and the secrets that sign what is sent to them.

What adds, changes or deletes a user's webhooks locks that user's row first (`lock`): `users.has_webhooks` and the
number of webhooks go by all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ml_service.domain.users import deleted_name
from ml_service.domain.webhooks import DisabledReason, Secret, Webhook
from ml_service.storage.database import Session


def _webhook_of(row: Any) -> Webhook:
    return Webhook(
        id=row["id"],
        user_id=row["user_id"],
        url=row["url"],
        events=tuple(row["events"]),
        balance_low_credits=row["balance_low_credits"],
        created_at=row["created_at"],
        failing_since=row["failing_since"],
        disabled_at=row["disabled_at"],
        disabled_reason=None if row["disabled_reason"] is None else DisabledReason(row["disabled_reason"]),
    )


@dataclass(frozen=True, slots=True)
class WebhookOfUser:
    """A webhook with its owner's name and the number of messages that wait for it, counted up to `WAITING_MAX`."""

    id: UUID
    user_id: UUID
    username: str
    url: str
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None
    waiting: int


WAITING_MAX = 100
LOOKED_AT_MAX = 1000
"""Webhooks whose waiting messages are counted for a list, the longest failing first."""


async def lock(session: Session, user_id: UUID) -> int | None:
    """Lock the user's webhooks until the commit; returns how many there are, None where the account was deleted."""
    tag = await session.execute(
        "SELECT FROM users WHERE id = $1 AND username_key <> $2 FOR NO KEY UPDATE", user_id, deleted_name(user_id)
    )
    if tag != "SELECT 1":
        return None
    return int(await session.fetchval("SELECT count(*) FROM webhooks WHERE user_id = $1", user_id))


_NOTE = """
    UPDATE users SET has_webhooks = w.has_any, balance_low_credits = w.balance_low_credits
    FROM (
        SELECT count(*) > 0 AS has_any,
            coalesce(max(balance_low_credits) FILTER (WHERE 'balance.low' = ANY (events)), 0) AS balance_low_credits
        FROM webhooks WHERE user_id = $1 AND disabled_at IS NULL
    ) AS w
    WHERE id = $1
"""


async def _note(session: Session, user_id: UUID) -> None:
    """Note in the user's row what there is to hear."""
    await session.execute(_NOTE, user_id)


async def add(
    session: Session,
    id_: UUID,
    user_id: UUID,
    url: str,
    events: Sequence[str],
    secret: str,
    *,
    balance_low_credits: int,
) -> Webhook:
    """Add a webhook; the user's are locked."""
    row = await session.fetchrow(
        "INSERT INTO webhooks (id, user_id, url, events, secret, balance_low_credits) VALUES ($1, $2, $3, $4, $5, $6)"
        " RETURNING id, user_id, url, events, balance_low_credits, created_at, failing_since, disabled_at,"
        " disabled_reason",
        id_,
        user_id,
        url,
        events,
        secret,
        balance_low_credits,
    )
    await _note(session, user_id)
    return _webhook_of(row)


async def list_of(session: Session, user_id: UUID) -> list[Webhook]:
    """A user's webhooks, the oldest first."""
    rows = await session.fetch(
        "SELECT id, user_id, url, events, balance_low_credits, created_at, failing_since, disabled_at, disabled_reason"
        " FROM webhooks WHERE user_id = $1 ORDER BY id",
        user_id,
    )
    return [_webhook_of(row) for row in rows]


async def get(session: Session, user_id: UUID, id_: UUID) -> Webhook | None:
    """A user's webhook."""
    row = await session.fetchrow(
        "SELECT id, user_id, url, events, balance_low_credits, created_at, failing_since, disabled_at, disabled_reason"
        " FROM webhooks WHERE id = $1 AND user_id = $2",
        id_,
        user_id,
    )
    return None if row is None else _webhook_of(row)


_CHANGE = """
    UPDATE webhooks SET
        url = coalesce($3, url),
        events = coalesce($4::text[], events),
        balance_low_credits = coalesce($7, balance_low_credits),
        disabled_at = CASE WHEN $5 THEN coalesce(disabled_at, now()) WHEN NOT $5 THEN NULL ELSE disabled_at END,
        disabled_reason = CASE
            WHEN $5 THEN coalesce(disabled_reason, $6) WHEN NOT $5 THEN NULL ELSE disabled_reason
        END,
        failing_since = CASE WHEN NOT $5 OR $3 <> url THEN NULL ELSE failing_since END
    WHERE id = $1 AND user_id = $2
    RETURNING id, user_id, url, events, balance_low_credits, created_at, failing_since, disabled_at, disabled_reason
"""


async def change(
    session: Session,
    user_id: UUID,
    id_: UUID,
    *,
    url: str | None = None,
    events: Sequence[str] | None = None,
    balance_low_credits: int | None = None,
    is_disabled: bool | None = None,
    reason: DisabledReason = DisabledReason.USER,
) -> Webhook | None:
    """Change what is not None; call `lock` first. Switching a webhook on forgets that it failed."""
    row = await session.fetchrow(_CHANGE, id_, user_id, url, events, is_disabled, reason.value, balance_low_credits)
    if row is None:
        return None
    await _note(session, user_id)
    return _webhook_of(row)


async def is_on_for_update(session: Session, user_id: UUID, id_: UUID) -> bool | None:
    """Whether a webhook is switched on, locked until the commit; None where there is none. Call `lock` first."""
    found: bool | None = await session.fetchval(
        "SELECT disabled_at IS NULL FROM webhooks WHERE id = $1 AND user_id = $2 FOR NO KEY UPDATE", id_, user_id
    )
    return found


async def delete(session: Session, user_id: UUID, id_: UUID) -> bool:
    """Delete a webhook; call `lock` first. Its log is purged later."""
    tag = await session.execute("DELETE FROM webhooks WHERE id = $1 AND user_id = $2", id_, user_id)
    await _note(session, user_id)
    return bool(tag == "DELETE 1")


_ROTATE = """
    UPDATE webhooks SET
        secret = $3,
        previous_secret = CASE WHEN $4 > 0 THEN secret END,
        previous_until = CASE WHEN $4 > 0 THEN now() + $4 * interval '1 second' END
    WHERE id = $1 AND user_id = $2
    RETURNING secret, previous_secret, previous_until
"""


async def rotate(session: Session, user_id: UUID, id_: UUID, secret: str, grace_s: float) -> Secret | None:
    """Give a webhook a new secret; the old one signs as well for ``grace_s`` seconds."""
    row = await session.fetchrow(_ROTATE, id_, user_id, secret, grace_s)
    return None if row is None else Secret(*row)


_ENSURE_SECRETS = """
    WITH added AS (
        INSERT INTO webhook_secrets (user_id, secret)
        SELECT * FROM unnest($1::uuid[], $2::text[]) AS new (user_id, secret) ORDER BY new.user_id
        ON CONFLICT DO NOTHING
        RETURNING user_id, secret, previous_secret, previous_until
    )
    SELECT * FROM added
    UNION ALL
    SELECT s.user_id, s.secret, CASE WHEN s.previous_until > now() THEN s.previous_secret END, s.previous_until
    FROM webhook_secrets AS s WHERE s.user_id = ANY ($1)
"""


async def secrets_of(session: Session, users: dict[UUID, str]) -> dict[UUID, Secret]:
    """The accounts' own secrets. An account that has none gets the one that is given here.

    What another process adds in the same moment is missing: ask again.
    """
    rows = await session.fetch(_ENSURE_SECRETS, list(users), list(users.values()))
    return {row[0]: Secret(*row[1:]) for row in rows}


_ROTATE_OWN = """
    INSERT INTO webhook_secrets AS s (user_id, secret) VALUES ($1, $2)
    ON CONFLICT (user_id) DO UPDATE SET
        secret = excluded.secret,
        previous_secret = CASE WHEN $3 > 0 THEN s.secret END,
        previous_until = CASE WHEN $3 > 0 THEN now() + $3 * interval '1 second' END
    RETURNING secret, previous_secret, previous_until
"""


async def rotate_own(session: Session, user_id: UUID, secret: str, grace_s: float) -> Secret:
    """Give an account a new secret of its own; the old one signs as well for ``grace_s`` seconds."""
    row = await session.fetchrow(_ROTATE_OWN, user_id, secret, grace_s)
    assert row is not None  # noqa: S101  an upsert always returns its row
    return Secret(*row)


_LIST_ALL = """
    SELECT w.id, w.user_id, u.username, w.url, w.failing_since, w.disabled_at, w.disabled_reason, (
        SELECT count(*) FROM (
            SELECT FROM deliveries AS d  -- deliveries_due
            WHERE d.endpoint = w.user_id || ' ' || w.id AND d.delivered_at IS NULL AND d.kind = 'webhook' LIMIT $3
        ) AS open
    ) AS waiting
    FROM (
        SELECT * FROM webhooks WHERE $1 OR failing_since IS NOT NULL OR disabled_at IS NOT NULL
        ORDER BY disabled_at IS NOT NULL, failing_since, id LIMIT greatest($2::int, $4::int)
    ) AS w JOIN users AS u ON u.id = w.user_id
    ORDER BY waiting DESC, w.disabled_at IS NOT NULL, w.failing_since, w.id LIMIT $2
"""


async def list_all(session: Session, *, everything: bool, limit: int) -> list[WebhookOfUser]:
    """Webhooks of all users that fail or are switched off, or all."""
    rows = await session.fetch(_LIST_ALL, everything, limit, WAITING_MAX, LOOKED_AT_MAX)
    return [WebhookOfUser(*row) for row in rows]


async def owner_of(session: Session, id_: UUID) -> UUID | None:
    """Whose webhook it is."""
    found: UUID | None = await session.fetchval("SELECT user_id FROM webhooks WHERE id = $1", id_)
    return found


async def purge_requests(session: Session, days: float, limit: int) -> int:
    """Delete webhooks that requests named ``days`` ago, when all of them have long ended."""
    tag: str = await session.execute(
        "DELETE FROM request_webhooks WHERE subject_id IN ("
        " SELECT subject_id FROM request_webhooks WHERE created_at < now() - $1 * interval '1 day' LIMIT $2)",
        days,
        limit,
    )
    return int(tag.removeprefix("DELETE "))
