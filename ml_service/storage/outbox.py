"""The outbox: what the queue has not confirmed yet. Rows are inserted with predictions, deleted after confirms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from ml_service.storage.database import Session


class OutboxEntry(NamedTuple):
    """A prediction that the queue has not confirmed yet.

    Attributes:
        send_after: As it was when the row was read. Each sending of a prediction has another.
    """

    id: UUID
    pool: str
    model: str
    version: str
    send_after: datetime
    bulk: bool = False


# A row that was written again since it was read stays: the message that was confirmed may have been dropped meanwhile.
_DELETE = "SELECT delete_sent($1, $2)"


async def delete(session: Session, sent: Sequence[OutboxEntry]) -> None:
    """Delete what the broker has confirmed: a burst in one statement."""
    await session.execute(_DELETE, [one.id for one in sent], [one.send_after for one in sent])


# Taking a row postpones it, so that another sweeper at the same moment finds other rows. Sending twice would be
# harmless too: only one claim takes a row. The process that accepted a new row is about to send it, and gets time for
# that; what was postponed (storage/postponing.py), or taken here before, is sent at its time by nobody else.
_OVERDUE = """
    UPDATE outbox SET send_after = now() + $2 * interval '1 second'
    WHERE prediction_id IN (
        SELECT o.prediction_id FROM outbox AS o
        WHERE NOT o.bulk AND o.send_after <= now() AND (
            o.send_after < now() - $1 * interval '1 second'
            OR o.send_after > (SELECT p.created_at FROM predictions AS p WHERE p.id = o.prediction_id)
        )
        ORDER BY o.prediction_id LIMIT $3
        FOR UPDATE SKIP LOCKED
    )
    RETURNING prediction_id AS id, pool, model, version, send_after
"""


async def take_overdue(session: Session, *, older_than_s: float, again_after_s: float, limit: int) -> list[OutboxEntry]:
    """Single predictions whose time has come: postponed, or not confirmed (their publisher died, the broker was away).

    Args:
        older_than_s: The least age of unconfirmed rows.
        again_after_s: After how long the rows taken now are due again.
    """
    rows = await session.fetch(_OVERDUE, older_than_s, again_after_s, limit)
    return [OutboxEntry(**row) for row in rows]


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
        SELECT o.prediction_id, o.model, o.version, o.send_after, o.turn
        FROM waiting AS w
        CROSS JOIN LATERAL (
            SELECT b.prediction_id, b.model, b.version, b.send_after,
                row_number() OVER (ORDER BY b.prediction_id) AS turn
            FROM (
                SELECT prediction_id, model, version, send_after FROM outbox
                WHERE bulk AND pool = $1 AND user_id = w.user_id AND send_after <= now()
                ORDER BY prediction_id LIMIT $2
            ) AS b
        ) AS o
        WHERE w.user_id IS NOT NULL
    )
    SELECT prediction_id AS id, $1 AS pool, model, version, send_after
    FROM turns ORDER BY turn, prediction_id LIMIT $2
"""


async def next_bulk(session: Session, pool: str, limit: int) -> list[OutboxEntry]:
    """Up to ``limit`` predictions of batches to send next, in turns over the users who wait."""
    rows = await session.fetch(_FEED, pool, limit)
    return [OutboxEntry(**row, bulk=True) for row in rows]


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


# What is parked (storage/model_versions.py) is in no queue on purpose: only its version's return sends it again.
# A row that is still in the outbox is written again, because its message may be lost although its sender is about to
# delete the row. A sender deletes the row as it was sent, so each resend needs a `send_after` of its own; being a day
# old, it is due at once. clock_timestamp() includes what was accepted since this transaction began.
_RESEND = """
    INSERT INTO outbox (prediction_id, user_id, pool, model, version, bulk, send_after)
    SELECT p.id, p.user_id, coalesce(v.spec ->> 'pool', 'default'), p.model, p.version, p.batch_id IS NOT NULL,
        now() - interval '1 day'
    FROM predictions AS p  -- predictions_open
    LEFT JOIN model_versions AS v ON v.name = p.model AND v.version = p.version
    WHERE p.finished_at IS NULL AND p.created_at <= clock_timestamp() - $1 * interval '1 second'
        AND (
            p.status = 'queued' AND $2::text[] IS NULL
            OR p.status = 'processing' AND p.worker_id IN (
                SELECT w.id FROM workers AS w WHERE w.stopped_at IS NOT NULL AND ($2 IS NULL OR w.id = ANY ($2))
            )
        )
        AND (
            $3::text IS NULL
            OR coalesce(v.spec ->> 'pool', 'default') = $3 AND v.parked_at IS NULL
                AND NOT EXISTS (SELECT FROM outbox AS o WHERE o.prediction_id = p.id)
        )
        AND ($4::text[] IS NULL OR p.model || '@' || p.version = ANY ($4))
    ORDER BY p.id
    ON CONFLICT (prediction_id) DO UPDATE SET send_after = excluded.send_after, pool = excluded.pool
"""
RESEND_S_MAX = 300.0
"""Seconds that reading all open predictions may take: a second or two for each hundred thousand."""


async def resend(
    session: Session,
    *,
    older_than_s: float,
    of_workers: Sequence[str] | None = None,
    pool: str | None = None,
    of_models: Sequence[str] | None = None,
) -> int:
    """Write to the outbox again what is open and nobody can be working on; returns how many.

    Args:
        session: From `Database.begin(RESEND_S_MAX)`.
        older_than_s: Only what was accepted at least so many seconds ago.
        of_workers: Only what these workers had claimed. They have to be stopped. None: that of all
            stopped workers, and what is queued.
        pool: Only what belongs to this pool, was confirmed, and is not parked.
        of_models: Only what belongs to these, each as name@version.
    """
    await session.execute("SET LOCAL statement_timeout = 0")
    tag = await session.execute(_RESEND, older_than_s, of_workers, pool, of_models, timeout=RESEND_S_MAX)
    return int(tag.rpartition(" ")[2])


async def count(session: Session, count_max: int) -> int:
    """How many predictions wait to be handed to the queue, counted up to ``count_max``."""
    return int(await session.fetchval("SELECT count(*) FROM (SELECT FROM outbox LIMIT $1) AS unsent", count_max))
