"""Messages to webhooks: taken under a lease, marked with what the receiver answered, listed with all attempts.

The rows are written by triggers (`owe_event` and others, migration 0018), in the statement that ends a prediction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from ml_service.domain.webhooks import DeliveryFailure, DeliveryState, Secret, WebhookDelivery, attempt_of
from ml_service.storage.database import Session


@dataclass(frozen=True, slots=True)
class DueMessage:
    """A message that was taken, to be sent.

    Attributes:
        url: None: the webhook was deleted or is switched off.
        secret: Of the webhook; None: the account's own signs.
        data: JSON text; None: the prediction itself.
        attempts: How often it was taken, this time included: the fence.
        tries: The same, since it was last asked to be sent again.
        endpoint: What a slow receiver delays; begins with the user's id.
    """

    id: int
    user_id: UUID
    webhook_id: UUID | None
    subject_id: UUID
    endpoint: str
    url: str | None
    event: str
    data: str | None
    created_at: datetime
    attempts: int
    tries: int
    secret: Secret | None


# The endpoints come from the index by jumps from one to the next, so that a long queue to one costs the others nothing.
# The windows are an object, not a table: a join of a thousand with a thousand would be a loop in a loop (INDEXES_ONLY).
_TAKE_DUE = """
    WITH RECURSIVE waiting AS (
        (SELECT min(endpoint) AS endpoint FROM deliveries WHERE delivered_at IS NULL AND kind = 'webhook')
        UNION ALL
        SELECT (
            SELECT min(d.endpoint) FROM deliveries AS d  -- deliveries_due
            WHERE d.delivered_at IS NULL AND d.kind = 'webhook' AND d.endpoint > w.endpoint
        ) FROM waiting AS w WHERE w.endpoint IS NOT NULL
    ), due AS MATERIALIZED (
        SELECT d.id
        FROM waiting AS w CROSS JOIN LATERAL (
            SELECT d.id, d.due_at FROM deliveries AS d  -- deliveries_due
            WHERE d.delivered_at IS NULL AND d.kind = 'webhook' AND d.endpoint = w.endpoint AND d.due_at <= now()
                AND (d.leased_until IS NULL OR d.leased_until <= now())
            ORDER BY d.due_at, d.id LIMIT coalesce(($1::jsonb ->> w.endpoint)::int, 1)
        ) AS d
        WHERE w.endpoint IS NOT NULL AND left(w.endpoint, 36) <> ALL ($2::text[])
        ORDER BY d.due_at, d.id LIMIT $3
    ), taken AS MATERIALIZED (
        SELECT d.id FROM deliveries AS d JOIN due ON due.id = d.id
        WHERE d.delivered_at IS NULL AND (d.leased_until IS NULL OR d.leased_until <= now())
        FOR NO KEY UPDATE OF d SKIP LOCKED
    ), leased AS (
        UPDATE deliveries AS d
        SET attempts = d.attempts + 1, leased_until = now() + $4 * interval '1 second'
        FROM taken AS t WHERE d.id = t.id
        RETURNING d.*
    )
    SELECT d.id, d.user_id, d.webhook_id, d.subject_id, d.endpoint, d.event, d.data::text, d.created_at, d.attempts,
        d.attempts - d.attempts_before AS tries,
        CASE WHEN d.webhook_id IS NULL THEN d.url WHEN w.disabled_at IS NULL OR d.event = 'webhook.test' THEN w.url END
            AS url,
        w.secret, CASE WHEN w.previous_until > now() THEN w.previous_secret END AS previous_secret, w.previous_until
    FROM leased AS d LEFT JOIN webhooks AS w ON w.id = d.webhook_id
    ORDER BY d.due_at, d.id
"""


async def take_due(
    session: Session, windows: Mapping[str, int], *, but_users: Sequence[str], limit: int, lease_s: float
) -> list[DueMessage]:
    """Take up to ``limit`` messages, the longest due first.

    Args:
        windows: How many may be taken for these endpoints; for any other it is one.
        but_users: Ids of users for whom enough is under way.
    """
    rows = await session.fetch(_TAKE_DUE, json.dumps(dict(windows)), but_users, limit, lease_s)
    return [_due_of(dict(row)) for row in rows]


def _due_of(row: dict[str, Any]) -> DueMessage:
    secret = Secret(row.pop("secret"), row.pop("previous_secret"), row.pop("previous_until"))
    return DueMessage(**row, secret=secret if secret.secret else None)


class Mark(NamedTuple):
    """What came of an attempt.

    ``error``, ``code`` and ``detail`` are None where the message was delivered; ``retry_s`` None: it is not sent again.
    """

    id: int
    attempt: int
    status: int | None
    ms: float
    error: str | None
    code: str | None
    detail: str | None
    answer: str | None
    retry_s: float | None

    @classmethod
    def of(
        cls,
        message: DueMessage,
        status: int | None,
        ms: float,
        failure: DeliveryFailure | None,
        answer: str | None,
        retry_s: float | None,
    ) -> Mark:
        """What came of sending a message; ``failure`` is None where it was delivered."""
        error, code, detail = None, None, None
        if failure is not None:
            error, code, detail = str(failure), failure.code.value, failure.detail
        return cls(message.id, message.attempts, status, ms, error, code, detail, answer, retry_s)


# Fenced by the attempt: where the lease ran out, and another process sent the message too, that one's mark counts.
# Marks come again, among others, where the answer to their commit was lost: an attempt that is logged is marked. One
# that is being logged in this moment is not seen; it is marked once more then, as the first time.
# The webhook's row is written where something changes: at the first failure, at its end, and when it is disabled.
_MARK = """
    WITH result AS MATERIALIZED (
        SELECT * FROM unnest(
            $1::bigint[], $2::int[], $3::int[], $4::real[], $5::text[], $6::text[], $7::text[], $8::text[], $9::float8[]
        ) AS r (id, attempt, status, ms, error, code, detail, answer, retry_s)
    ), marked AS (
        UPDATE deliveries AS d SET
            leased_until = NULL,
            delivered_at = CASE WHEN r.retry_s IS NULL THEN now() END,
            due_at = CASE WHEN r.retry_s IS NULL THEN d.due_at ELSE now() + r.retry_s * interval '1 second' END,
            error = r.error
        FROM result AS r
        WHERE d.id = r.id AND d.attempts = r.attempt AND d.delivered_at IS NULL
            AND NOT EXISTS (SELECT FROM delivery_attempts AS a WHERE a.delivery_id = r.id AND a.attempt = r.attempt)
        RETURNING d.id, d.webhook_id, r.attempt, r.status, r.ms, r.error, r.code, r.detail, r.answer
    ), logged AS (
        INSERT INTO delivery_attempts (delivery_id, attempt, status, ms, error, code, detail, answer)
        SELECT id, attempt, status, ms, error, code, detail, answer FROM marked
        ON CONFLICT DO NOTHING
    ), outcome AS MATERIALIZED (
        SELECT webhook_id, bool_or(error IS NULL) AS has_success, bool_or(status = 410) AS is_gone
        FROM marked WHERE webhook_id IS NOT NULL GROUP BY webhook_id
    ), changed AS (
        UPDATE webhooks AS w SET
            failing_since = CASE WHEN o.has_success THEN NULL ELSE coalesce(w.failing_since, now()) END,
            disabled_at = CASE
                WHEN o.is_gone OR NOT o.has_success AND w.failing_since < now() - $10 * interval '1 day' THEN now()
            END,
            disabled_reason = CASE
                WHEN o.is_gone THEN 'gone'
                WHEN NOT o.has_success AND w.failing_since < now() - $10 * interval '1 day' THEN 'failing'
            END
        FROM outcome AS o
        WHERE w.id = o.webhook_id AND w.disabled_at IS NULL AND CASE
            WHEN o.is_gone THEN true
            WHEN o.has_success THEN w.failing_since IS NOT NULL
            ELSE w.failing_since IS NULL OR w.failing_since < now() - $10 * interval '1 day'
        END
        RETURNING w.id, w.user_id, w.url, w.disabled_at, w.disabled_reason
    ), noticed AS (
        INSERT INTO deliveries (kind, subject_id, user_id, chat_id, event, data)
        SELECT 'notice', gen_random_uuid(), c.user_id, t.chat_id, 'webhook.disabled',
            json_build_object('url', c.url, 'reason', c.disabled_reason)
        FROM changed AS c JOIN telegram_chats AS t ON t.user_id = c.user_id
        WHERE c.disabled_at IS NOT NULL
    )
    SELECT id FROM changed WHERE disabled_at IS NOT NULL
"""


async def mark(session: Session, marks: Sequence[Mark], *, failing_days_max: float) -> list[UUID]:
    """Note what came of attempts; returns the webhooks that it disabled."""
    rows = await session.fetch(_MARK, *zip(*sorted(marks), strict=True), failing_days_max)
    return [row["id"] for row in rows]


async def give_back(session: Session, taken: Sequence[tuple[int, int]]) -> None:
    """Let go of messages, by id and attempt, that were taken and not sent."""
    await session.execute(
        """
        UPDATE deliveries AS d SET leased_until = NULL, attempts_before = d.attempts_before + 1
        FROM unnest($1::bigint[], $2::int[]) AS t (id, attempt)
        WHERE d.id = t.id AND d.attempts = t.attempt AND d.delivered_at IS NULL
        """,
        [id_ for id_, _ in taken],
        [attempt for _, attempt in taken],
    )


async def owe(session: Session, user_id: UUID, event: str, subject_id: UUID, data: str) -> None:
    """Owe an event to the user's webhooks that hear of it; a second time for the same subject, nothing.

    Args:
        data: JSON text.
    """
    await session.execute("SELECT owe_event($1, $2, $3, $4::json)", user_id, event, subject_id, data)


async def owe_to(session: Session, user_id: UUID, webhook_id: UUID, event: str, subject_id: UUID, data: str) -> int:
    """Owe an event to one webhook, whatever it subscribes to; returns the message's id."""
    return int(
        await session.fetchval(
            """
            INSERT INTO deliveries (kind, subject_id, user_id, webhook_id, endpoint, event, data)
            VALUES ('webhook', $1, $2, $3, $2::uuid || ' ' || $3::uuid, $4, $5::json) RETURNING id
            """,
            subject_id,
            user_id,
            webhook_id,
            event,
            data,
        )
    )


PAGE_BYTES = 500_000
"""Of the attempts in a page, beyond the first message's: they become objects, on the event loop."""

_SELECT = """
    SELECT d.id, d.webhook_id, d.url, d.event, d.subject_id, d.created_at,
        CASE
            WHEN d.delivered_at IS NULL THEN 'pending' WHEN d.error IS NULL THEN 'delivered' ELSE 'failed'
        END AS state,
        CASE WHEN d.delivered_at IS NULL THEN greatest(d.due_at, d.leased_until) END AS next_at,
        (
            SELECT json_agg(json_build_object(
                'at', a.at, 'status', a.status, 'ms', a.ms, 'error', a.error, 'code', a.code, 'detail', a.detail,
                'answer', a.answer
            ) ORDER BY a.attempt)
            FROM (
                SELECT * FROM delivery_attempts AS a WHERE a.delivery_id = d.id ORDER BY a.attempt DESC LIMIT 50
            ) AS a
        )::text AS attempts
    FROM deliveries AS d
"""
# A message that was sent again and again has fifty attempts, each with a kilobyte of an answer.
_PAGE_OF_LISTED = """
    SELECT * FROM (
        SELECT listed.*, sum(octet_length(attempts)) OVER (
            ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ) AS newer_bytes, count(*) OVER () AS found_count
        FROM listed
    ) AS page
    WHERE coalesce(newer_bytes, 0) < $5
    ORDER BY id DESC
"""
_LIST_OF_WEBHOOK = (  # deliveries_of_webhook
    "WITH listed AS ("
    + _SELECT
    + "WHERE d.webhook_id = $2 AND d.user_id = $1 AND d.id < $3 AND d.kind = 'webhook' ORDER BY d.id DESC LIMIT $4)"
    + _PAGE_OF_LISTED
)
_LIST_OF_USER = (  # deliveries_to_webhooks_of_user
    "WITH listed AS ("
    + _SELECT
    + "WHERE d.user_id = $1 AND d.kind = 'webhook' AND d.id < $3 AND $2::uuid IS NULL ORDER BY d.id DESC LIMIT $4)"
    + _PAGE_OF_LISTED
)
_GET = _SELECT + "WHERE d.id = $2 AND d.user_id = $1 AND d.kind = 'webhook'"
_LAST = 2**63 - 1


async def list_of(
    session: Session, user_id: UUID, webhook_id: UUID | None, *, before: int | None, limit: int
) -> tuple[list[WebhookDelivery], bool]:
    """Messages of a webhook, or of all of the user's, newest first, at most ``limit`` or `PAGE_BYTES`.

    Returns:
        The messages, and whether others follow.
    """
    statement = _LIST_OF_USER if webhook_id is None else _LIST_OF_WEBHOOK
    start = _LAST if before is None else before
    rows = await session.fetch(statement, user_id, webhook_id, start, limit + 1, PAGE_BYTES)
    page = rows[:limit]
    return [_delivery_of(row) for row in page], bool(page) and page[0]["found_count"] > len(page)


async def get(session: Session, user_id: UUID, id_: int) -> WebhookDelivery | None:
    """A user's message."""
    row = await session.fetchrow(_GET, user_id, id_)
    return None if row is None else _delivery_of(row)


def _delivery_of(row: Any) -> WebhookDelivery:
    attempts = json.loads(row["attempts"] or "[]")
    return WebhookDelivery(
        id=row["id"],
        webhook_id=row["webhook_id"],
        url=row["url"],
        event=row["event"],
        subject_id=row["subject_id"],
        state=DeliveryState(row["state"]),
        attempts=tuple(attempt_of(one) for one in attempts),
        created_at=row["created_at"],
        next_at=row["next_at"],
    )


async def resend(session: Session, user_id: UUID, id_: int) -> bool:
    """Make a message due now, with a new set of attempts; False if there is no such message."""
    tag = await session.execute(
        """
        UPDATE deliveries SET
            delivered_at = NULL, error = NULL, due_at = now(),
            attempts_before = CASE WHEN leased_until > now() THEN attempts - 1 ELSE attempts END
        WHERE id = $2 AND user_id = $1 AND kind = 'webhook'
        """,
        user_id,
        id_,
    )
    return bool(tag == "UPDATE 1")


_END_OFF = """
    UPDATE deliveries SET delivered_at = now(), error = 'The webhook was deleted or switched off.', leased_until = NULL
    WHERE id IN (
        SELECT d.id FROM deliveries AS d LEFT JOIN webhooks AS w ON w.id = d.webhook_id
        WHERE d.delivered_at IS NULL AND d.kind = 'webhook' AND d.webhook_id IS NOT NULL
            AND (w.id IS NULL OR w.disabled_at IS NOT NULL AND d.event <> 'webhook.test')
        LIMIT $1
    )
"""


async def end_off(session: Session, limit: int) -> int:
    """End messages to webhooks that were deleted or switched off; returns how many."""
    tag: str = await session.execute(_END_OFF, limit)
    return int(tag.removeprefix("UPDATE "))


async def purge(session: Session, days: float, limit: int) -> int:
    """Delete messages that were owed ``days`` ago, with their attempts; returns how many."""
    tag: str = await session.execute(
        "DELETE FROM deliveries WHERE id IN ("
        " SELECT id FROM deliveries WHERE created_at < now() - $1 * interval '1 day' AND kind = 'webhook' LIMIT $2)",
        days,
        limit,
    )
    return int(tag.removeprefix("DELETE "))


async def erase_some(session: Session, user_id: UUID, limit: int) -> int:
    """Delete messages of a deleted account, with their attempts; returns how many."""
    tag: str = await session.execute(
        "DELETE FROM deliveries WHERE id IN ("
        " SELECT id FROM deliveries WHERE user_id = $1 AND kind = 'webhook' LIMIT $2)",
        user_id,
        limit,
    )
    return int(tag.removeprefix("DELETE "))
