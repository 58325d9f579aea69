"""What a user has used, by day, model or API key, of predictions that are still kept: not all that the ledger has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from ml_service.storage.database import Session


@dataclass(frozen=True, slots=True)
class Usage:
    """Predictions of one day, one model or one API key.

    Attributes:
        key_id, key_name: None, by key: asked for without a key. A key without a name is gone with its account.
        failed: Without an answer although nobody canceled them: failed or expired, and free.
        credits: What the succeeded ones cost.
    """

    day: date | None
    model: str | None
    key_id: UUID | None
    key_name: str | None
    predictions: int
    succeeded: int
    failed: int
    credits: int


# All read predictions_of_user within a range of ids, which is a range of time. `id` is
# not compared alone, so that no other index looks as good (storage/history.py).
_BY_DAY = """
    SELECT (created_at AT TIME ZONE 'UTC')::date AS day, NULL AS model, NULL::uuid AS key_id, NULL AS key_name,
        count(*) AS predictions,
        count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
        count(*) FILTER (WHERE status IN ('failed', 'expired')) AS failed,
        coalesce(sum(cost) FILTER (WHERE status = 'succeeded'), 0)::bigint AS credits
    FROM predictions
    WHERE (user_id, id) >= ($1, $2) AND (user_id, id) < ($1, $3)
    GROUP BY day ORDER BY day
"""
_BY_MODEL = """
    SELECT NULL::date AS day, model, NULL::uuid AS key_id, NULL AS key_name, count(*) AS predictions,
        count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
        count(*) FILTER (WHERE status IN ('failed', 'expired')) AS failed,
        coalesce(sum(cost) FILTER (WHERE status = 'succeeded'), 0)::bigint AS credits
    FROM predictions
    WHERE (user_id, id) >= ($1, $2) AND (user_id, id) < ($1, $3)
    GROUP BY model ORDER BY predictions DESC, model
"""
_BY_KEY = """
    SELECT NULL::date AS day, NULL AS model, used.key_id, k.name AS key_name, used.predictions, used.succeeded,
        used.failed, used.credits
    FROM (
        SELECT key_id, count(*) AS predictions, count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
            count(*) FILTER (WHERE status IN ('failed', 'expired')) AS failed,
            coalesce(sum(cost) FILTER (WHERE status = 'succeeded'), 0)::bigint AS credits
        FROM predictions
        WHERE (user_id, id) >= ($1, $2) AND (user_id, id) < ($1, $3)
        GROUP BY key_id
    ) AS used
    LEFT JOIN api_keys AS k ON k.id = used.key_id
    ORDER BY used.predictions DESC, used.key_id
"""


_PIECE_END = """
    SELECT id FROM predictions  -- predictions_of_user alone
    WHERE (user_id, id) >= ($1, $2) AND (user_id, id) < ($1, $3)
    ORDER BY user_id, id OFFSET $4 LIMIT 1
"""


async def piece_end(session: Session, user_id: UUID, from_id: UUID, until_id: UUID, rows: int) -> UUID | None:
    """The id before which a user has so many predictions from ``from_id`` on; None where they have no more."""
    found: UUID | None = await session.fetchval(_PIECE_END, user_id, from_id, until_id, rows)
    return found


async def by_day(session: Session, user_id: UUID, from_id: UUID, until_id: UUID) -> list[Usage]:
    """A user's days (UTC) with predictions, the earliest first."""
    return [Usage(*row) for row in await session.fetch(_BY_DAY, user_id, from_id, until_id)]


async def by_model(session: Session, user_id: UUID, from_id: UUID, until_id: UUID) -> list[Usage]:
    """A user's models, the most used first."""
    return [Usage(*row) for row in await session.fetch(_BY_MODEL, user_id, from_id, until_id)]


async def by_key(session: Session, user_id: UUID, from_id: UUID, until_id: UUID) -> list[Usage]:
    """A user's API keys, the most used first; what was asked for without one stands together."""
    return [Usage(*row) for row in await session.fetch(_BY_KEY, user_id, from_id, until_id)]
