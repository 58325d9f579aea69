"""What happens to predictions of versions that no worker serves: parked, sent again, or ended.

A worker drops ("parks") task messages of a version that no live worker serves, so that they do not circulate; the
rows stay queued, and the batch feeder sends no more of them. When a worker serves the version again, they are sent
again. After a long time they fail.
"""

from __future__ import annotations

from collections.abc import Sequence

from ml_service.storage.database import Session
from ml_service.storage.finishing import Finished

# In one statement: a worker that begins to serve the version after this commit finds it parked. A worker may serve both
# pools of a version that has moved: it takes the version from the announced one only.
_PARK = """
    WITH served AS (
        SELECT FROM workers AS w
        WHERE w.lease_until > now() AND $1 || '@' || $2 = ANY (w.models) AND $3 = ANY (w.pools) AND NOT EXISTS (
            SELECT FROM model_versions AS v
            WHERE v.name = $1 AND v.version = $2 AND coalesce(v.spec ->> 'pool', 'default') <> $3
        )
    ), parked AS (
        UPDATE model_versions SET parked_at = greatest(parked_at, now())
        WHERE name = $1 AND version = $2 AND NOT EXISTS (SELECT FROM served)
    )
    SELECT NOT EXISTS (SELECT FROM served)
"""


async def park(session: Session, name: str, version: str, pool: str) -> bool:
    """Mark the version as parked if no live worker takes it from the pool; returns whether it is.

    One that has moved to another pool is sent again to that one, once every app knows it.
    """
    return bool(await session.fetchval(_PARK, name, version, pool))


# Parked again, so that a leader that unparks a version at this moment finds it parked at its next look: what was
# accepted meanwhile would else be in no queue.
_PARK_AGAIN = """
    UPDATE model_versions AS v SET parked_at = now()
    WHERE (v.name, v.version) IN (SELECT a.name, a.version FROM unnest($1::text[], $2::text[]) AS a (name, version))
        AND v.parked_at <= now() AND (
            coalesce(v.spec ->> 'pool', 'default') <> $3 OR NOT EXISTS (
                SELECT FROM workers AS w
                WHERE w.lease_until > now() AND v.name || '@' || v.version = ANY (w.models) AND $3 = ANY (w.pools)
            )
        )
    RETURNING v.name, v.version
"""


async def park_again(session: Session, versions: Sequence[tuple[str, str]], pool: str) -> set[tuple[str, str]]:
    """Those of these versions (names and versions) that are parked and that no live worker takes from the pool."""
    names, numbers = [name for name, _ in versions], [version for _, version in versions]
    return {tuple(row) for row in await session.fetch(_PARK_AGAIN, names, numbers, pool)}


# Time in which no leader looked does not count: workers that start after an outage of the whole host are waited for.
_WATCH = """
    UPDATE model_versions AS v SET
        served_at = CASE
            WHEN EXISTS (
                SELECT FROM workers AS w
                WHERE w.lease_until > now() AND v.name || '@' || v.version = ANY (w.models)
            ) THEN now()
            ELSE v.served_at + greatest(interval '0', now() - v.watched_at - $2 * interval '1 second')
        END,
        watched_at = now()
    WHERE v.watched_at < now() - $1 * interval '1 second'
"""


async def watch(session: Session, *, every_s: float, gap_s: float) -> None:
    """Note which versions live workers serve; looks at each at most every ``every_s`` seconds.

    Args:
        gap_s: If the last look was longer ago, the time beyond it does not count as unserved.
    """
    await session.execute(_WATCH, every_s, gap_s)


# `parked_at` lies ahead where a version has moved to another pool (storage/models.py).
_UNPARK = """
    UPDATE model_versions AS v SET parked_at = NULL
    WHERE v.parked_at <= clock_timestamp() AND EXISTS (
        SELECT FROM workers AS w
        WHERE w.lease_until > now() AND v.name || '@' || v.version = ANY (w.models)
    )
    RETURNING v.name || '@' || v.version AS model
"""


async def unpark(session: Session) -> list[str]:
    """Parked versions that a live worker serves now, as name@version; they are parked no longer."""
    return [row["model"] for row in await session.fetch(_UNPARK)]


# A version that was forgotten has no row: its predictions wait from when they were accepted. A row that is processing
# counts as waiting if its worker is gone: nobody else can claim it.
_END_GONE = """
    WITH target AS MATERIALIZED (
        SELECT p.id FROM predictions AS p  -- predictions_open
        LEFT JOIN model_versions AS v ON v.name = p.model AND v.version = p.version
        WHERE p.finished_at IS NULL
            AND p.created_at < now() - $1 * interval '1 second'
            AND (v.served_at IS NULL OR v.served_at < now() - $1 * interval '1 second')
            AND (p.status = 'queued' OR worker_is_gone(p.worker_id))
        ORDER BY p.id LIMIT $2
        FOR NO KEY UPDATE OF p SKIP LOCKED
    ), ended AS (
        UPDATE predictions AS p SET
            status = 'failed', error_code = 'version_gone', finished_at = now(),
            error_message = format('No worker serves %s@%s any more.', p.model, p.version)
        FROM target AS t
        WHERE p.id = t.id AND p.finished_at IS NULL
        RETURNING p.id, p.user_id, p.status, p.cost, p.key_id, p.created_at
    ), released AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)
        SELECT user_id, 'release', cost, id, 'system', 'sweeper' FROM ended
    ), unsent AS (
        DELETE FROM outbox WHERE prediction_id = ANY (ARRAY(SELECT id FROM ended))
    ), payer AS MATERIALIZED (
        SELECT u.id FROM users AS u WHERE u.id = ANY (ARRAY(SELECT user_id FROM ended)) ORDER BY u.id
        FOR NO KEY UPDATE
    ), refunded AS (
        UPDATE users SET balance = balance + e.cost, grants_left = grants_left + e.cost
        FROM (
            SELECT user_id, sum(cost) AS cost,
                array_agg((key_id, created_at, cost)::held_by_key) FILTER (WHERE key_id IS NOT NULL) AS by_keys
            FROM ended GROUP BY user_id
        ) AS e
        WHERE users.id = e.user_id AND users.id = ANY (ARRAY(SELECT id FROM payer))
        RETURNING give_back_to_keys(e.by_keys)
    )
    SELECT id, user_id, status FROM ended
"""
END_S_MAX = 300.0
"""Seconds that reading all open predictions may take: a second or two for each hundred thousand."""


async def end_gone(session: Session, *, gone_s: float, limit: int) -> list[Finished]:
    """End up to ``limit`` predictions whose version no worker has served for ``gone_s`` seconds, and refund them.

    Args:
        session: From `Database.begin(END_S_MAX)`.
    """
    await session.execute("SET LOCAL statement_timeout = 0")
    rows = await session.fetch(_END_GONE, gone_s, limit, timeout=END_S_MAX)
    return [Finished._make(row) for row in rows]
