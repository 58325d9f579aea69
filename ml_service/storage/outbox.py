"""What is still to be handed to the queue. A row is written with its prediction and deleted after the confirm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ml_service.storage.database import Session


@dataclass(frozen=True, slots=True)
class Unsent:
    """A prediction that the queue has not confirmed yet."""

    id: UUID
    pool: str
    model: str
    bulk: bool = False


async def sent(session: Session, ids: Sequence[UUID]) -> None:
    """Forget what the broker has confirmed: a burst in one statement."""
    await session.execute("DELETE FROM outbox WHERE prediction_id = ANY($1::uuid[])", ids)


# What is taken is put off, so that another publisher that sweeps at the same moment finds other rows. Sending twice
# would be harmless all the same: a claim takes a row once.
_OVERDUE = """
    UPDATE outbox SET send_after = now() + $2 * interval '1 second'
    WHERE prediction_id IN (
        SELECT prediction_id FROM outbox
        WHERE NOT bulk AND send_after < now() - $1 * interval '1 second'
        ORDER BY prediction_id LIMIT $3
        FOR UPDATE SKIP LOCKED
    )
    RETURNING prediction_id AS id, pool, model
"""


async def take_overdue(session: Session, *, older_than_s: float, again_after_s: float, limit: int) -> list[Unsent]:
    """Single predictions that were not confirmed in time: their publisher died or the broker was away."""
    rows = await session.fetch(_OVERDUE, older_than_s, again_after_s, limit)
    return [Unsent(row["id"], row["pool"], row["model"]) for row in rows]


# Round robin: `turn` counts a user's rows, and the lowest turns of all users go first. The recursive part walks the
# distinct users of the index outbox_bulk without reading all rows of a user who has 100,000.
_FEED = """
    WITH RECURSIVE waiting AS (
        (SELECT user_id FROM outbox WHERE bulk AND pool = $1 ORDER BY user_id LIMIT 1)
        UNION ALL
        SELECT (SELECT o.user_id FROM outbox AS o WHERE o.bulk AND o.pool = $1 AND o.user_id > w.user_id
                ORDER BY o.user_id LIMIT 1)
        FROM waiting AS w WHERE w.user_id IS NOT NULL
    ), turns AS (
        SELECT o.prediction_id, o.model, o.turn
        FROM waiting AS w
        CROSS JOIN LATERAL (
            SELECT b.prediction_id, b.model, row_number() OVER (ORDER BY b.prediction_id) AS turn
            FROM (
                SELECT prediction_id, model FROM outbox
                WHERE bulk AND pool = $1 AND user_id = w.user_id AND send_after <= now()
                ORDER BY prediction_id LIMIT $2
            ) AS b
        ) AS o
        WHERE w.user_id IS NOT NULL
    )
    SELECT prediction_id AS id, $1 AS pool, model FROM turns ORDER BY turn, prediction_id LIMIT $2
"""


async def next_bulk(session: Session, pool: str, limit: int) -> list[Unsent]:
    """Up to ``limit`` predictions of batches to send next, in turns over the users who wait."""
    rows = await session.fetch(_FEED, pool, limit)
    return [Unsent(row["id"], row["pool"], row["model"], bulk=True) for row in rows]


_BULK_POOLS = """
    WITH RECURSIVE waiting AS (
        (SELECT pool FROM outbox WHERE bulk ORDER BY pool LIMIT 1)
        UNION ALL
        SELECT (SELECT o.pool FROM outbox AS o WHERE o.bulk AND o.pool > w.pool ORDER BY o.pool LIMIT 1)
        FROM waiting AS w WHERE w.pool IS NOT NULL
    )
    SELECT pool FROM waiting WHERE pool IS NOT NULL
"""


async def bulk_pools(session: Session) -> list[str]:
    """The pools for which predictions of batches wait to be fed."""
    return [row["pool"] for row in await session.fetch(_BULK_POOLS)]


_POOL_OF = "coalesce((SELECT m.spec ->> 'pool' FROM models AS m WHERE m.name = p.model), 'default')"

_SEND_AGAIN = f"""
    INSERT INTO outbox (prediction_id, user_id, pool, model, bulk, send_after)
    SELECT p.id, p.user_id, {_POOL_OF}, p.model, p.batch_id IS NOT NULL, '-infinity'
    FROM predictions AS p  -- predictions_open
    WHERE p.finished_at IS NULL AND p.created_at <= now() - $1 * interval '1 second'
        AND (
            p.status = 'queued' AND $2::text[] IS NULL
            OR p.status = 'processing' AND p.worker_id IN (
                SELECT w.id FROM workers AS w WHERE w.stopped_at IS NOT NULL AND ($2 IS NULL OR w.id = ANY ($2))
            )
        )
        AND ($3::text IS NULL OR {_POOL_OF} = $3)
        AND NOT EXISTS (SELECT FROM outbox AS o WHERE o.prediction_id = p.id)
    ON CONFLICT (prediction_id) DO NOTHING
"""
SEND_AGAIN_S_MAX = 300.0
"""Seconds that reading all open predictions may take: a second or two for each hundred thousand."""


async def send_again(
    session: Session, *, older_than_s: float, of_workers: Sequence[str] | None = None, pool: str | None = None
) -> int:
    """Write to the outbox again what is open, was confirmed, and that nobody can be working on; returns how many.

    Args:
        session: From `Database.begin(SEND_AGAIN_S_MAX)`.
        older_than_s: Only what was accepted at least so many seconds ago.
        of_workers: Only what these workers had claimed. They have to be stopped. None: that of all
            stopped workers, and what is queued.
        pool: Only what belongs to this pool.
    """
    await session.execute("SET LOCAL statement_timeout = 0")
    tag = await session.execute(_SEND_AGAIN, older_than_s, of_workers, pool, timeout=SEND_AGAIN_S_MAX)
    return int(tag.rpartition(" ")[2])


async def count(session: Session, count_max: int) -> int:
    """How many predictions wait to be handed to the queue, counted up to ``count_max``."""
    return int(await session.fetchval("SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) AS unsent", count_max))
