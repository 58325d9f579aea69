"""Expiring: open predictions whose deadline has passed end, and their credits go back in the same statement."""

from __future__ import annotations

from ml_service.storage.database import Session
from ml_service.storage.finishing import Finished

# The outbox rows go too: no worker needs to hear of them any more. A worker that is computing one notices that it has
# ended, and stops unless others in its batch are still wanted. Users' rows are locked in the order of their ids.
_EXPIRE = """
    WITH target AS MATERIALIZED (
        SELECT id FROM predictions  -- predictions_deadline
        WHERE finished_at IS NULL AND deadline_at <= now()
        ORDER BY id LIMIT $1 FOR NO KEY UPDATE SKIP LOCKED
    ), ended AS (
        UPDATE predictions AS p SET
            status = 'expired', error_code = 'deadline_exceeded',
            error_message = 'There was no answer before the deadline.', finished_at = now()
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
    SELECT id, user_id, status FROM ended  -- as in Finished
"""


async def expire(session: Session, limit: int) -> list[Finished]:
    """End up to ``limit`` open predictions whose deadline has passed, and give their credits back."""
    return [Finished._make(row) for row in await session.fetch(_EXPIRE, limit)]
