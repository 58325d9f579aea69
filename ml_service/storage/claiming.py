"""Claiming: a worker takes predictions that it was told of, as far as they are free."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from ml_service.storage.database import Session


class Claimed(NamedTuple):
    """What a worker got of a prediction that it asked for.

    ``status`` is ``processing`` where it is the worker's now, under this ``attempt``; a terminal one where the claim
    found it overdue or out of attempts, and ended it.
    """

    id: UUID
    user_id: UUID
    status: str
    model: str
    input: str
    attempt: int


# A worker may take a row if it is queued, if the broker says that an earlier delivery was lost, or if the worker that
# had it is gone. An overdue row expires instead, and one out of attempts fails; the credits of both go back to their
# users in the same statement, whose rows are locked in the order of their ids.
# Rows of another version than the worker serves are not taken: their inputs were validated by another schema.
# The ids come sorted and are looked up in that order, so two workers that ask for the same ids lock them alike.
# (With a range of ids beside them fewer partitions are opened, but in a young database the planner reads that range.)
_CLAIM = """
    WITH taken AS (
        UPDATE predictions AS p SET
            status = CASE
                WHEN p.deadline_at <= now() THEN 'expired'
                WHEN p.attempts >= $4 THEN 'failed'
                ELSE 'processing'
            END,
            worker_id = CASE
                WHEN p.deadline_at <= now() OR p.attempts >= $4 THEN p.worker_id
                ELSE $3
            END,
            attempts = CASE
                WHEN p.deadline_at <= now() OR p.attempts >= $4 THEN p.attempts
                ELSE p.attempts + 1
            END,
            started_at = CASE
                WHEN p.deadline_at <= now() OR p.attempts >= $4 THEN p.started_at
                ELSE now()
            END,
            finished_at = CASE
                WHEN p.deadline_at <= now() OR p.attempts >= $4 THEN now()
            END,
            error_code = CASE
                WHEN p.deadline_at <= now() THEN 'deadline_exceeded'
                WHEN p.attempts >= $4 THEN 'attempts_exhausted'
            END,
            error_message = CASE
                WHEN p.deadline_at <= now() THEN 'There was no answer before the deadline.'
                WHEN p.attempts >= $4 THEN format('The prediction was given up after %s attempts.', p.attempts)
            END
        FROM unnest($1::uuid[], $2::boolean[]) AS asked (id, redelivered)
        WHERE p.id = asked.id AND p.model = $6 AND p.version = $7 AND CASE p.status
            WHEN 'queued' THEN true
            WHEN 'processing' THEN asked.redelivered OR ($5 AND p.worker_id = $3) OR worker_is_gone(p.worker_id)
            ELSE false
        END
        RETURNING p.id, p.user_id, p.status, p.model, p.input, p.attempts, p.cost, p.key_id, p.created_at
    ), ended AS (
        SELECT id, user_id, cost, key_id, created_at FROM taken WHERE status <> 'processing'
    ), released AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)
        SELECT user_id, 'release', cost, id, 'system', $3 FROM ended
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
    SELECT id, user_id, status, model, input::text, attempts FROM taken  -- as in Claimed
"""


async def claim(
    session: Session,
    worker_id: str,
    ids: Sequence[UUID],
    redelivered: Sequence[bool],
    *,
    model: str,
    version: str,
    attempts_max: int,
    is_retry: bool = False,
) -> list[Claimed]:
    """Take what of ``ids`` may be taken, in one statement; what is missing in the answer is another's or done.

    Args:
        model, version: What the worker is going to run; other rows are not taken.
        is_retry: An earlier try got no answer and may have been carried out: what it took is taken again.
    """
    asked: dict[UUID, bool] = {}
    for one, again in zip(ids, redelivered, strict=True):
        asked[one] = again or asked.get(one, False)
    if not asked:
        return []
    in_order = sorted(asked)
    flags = [asked[one] for one in in_order]
    rows = await session.fetch(_CLAIM, in_order, flags, worker_id, attempts_max, is_retry, model, version)
    return [Claimed._make(row) for row in rows]


_GIVE_BACK = """
    UPDATE predictions AS p SET status = 'queued', worker_id = NULL, started_at = NULL
    FROM unnest($2::uuid[]) AS asked (id)
    WHERE p.id = asked.id AND p.status = 'processing' AND p.worker_id = $1
"""


async def give_back(session: Session, worker_id: str, ids: Sequence[UUID]) -> None:
    """Queue again what the worker has claimed of ``ids`` and not finished, because it cannot run the model."""
    await session.execute(_GIVE_BACK, worker_id, sorted(ids))
