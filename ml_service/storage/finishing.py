"""Finishing: a worker writes its answers, and what was held is captured or released in the same statement."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import NamedTuple
from uuid import UUID

from ml_service.domain.predictions import PredictionError
from ml_service.storage.database import Session


class Finish(NamedTuple):
    """The end of one claimed prediction: an output as JSON text, or an error.

    ``attempt`` is the one of the claim: it fences off an answer that comes after another worker has claimed the row.
    """

    id: UUID
    attempt: int
    predict_ms: float
    output: str | None
    error: PredictionError | None = None


class Finished(NamedTuple):
    """A prediction that has just reached a terminal state."""

    id: UUID
    user_id: UUID
    status: str


# A capture moves what is held to the revenue and so touches no user's row (decision 0004): most batches need no more.
_ALL_SUCCEEDED = """
    WITH finished AS (
        UPDATE predictions AS p SET
            status = 'succeeded',
            predict_ms = a.predict_ms,
            output = a.output::json,
            finished_at = now()
        FROM unnest($2::uuid[], $3::int[], $4::real[], $5::text[]) AS a (id, attempt, predict_ms, output)
        WHERE p.id = a.id AND p.status = 'processing' AND p.attempts = a.attempt AND p.worker_id = $1
        RETURNING p.id, p.user_id, p.cost, p.status
    ), settled AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)
        SELECT user_id, 'capture', cost, id, 'system', $1 FROM finished
    )
    SELECT id, user_id, status FROM finished  -- as in Finished
"""
# Failures give credits back to their users, whose rows are locked in the order of their ids.
_SOME_FAILED = """
    WITH finished AS (
        UPDATE predictions AS p SET
            status = CASE WHEN a.error_code IS NULL THEN 'succeeded' ELSE 'failed' END,
            predict_ms = a.predict_ms,
            output = a.output::json,
            error_code = a.error_code,
            error_message = a.error_message,
            finished_at = now()
        FROM unnest($2::uuid[], $3::int[], $4::real[], $5::text[], $6::text[], $7::text[])
            AS a (id, attempt, predict_ms, output, error_code, error_message)
        WHERE p.id = a.id AND p.status = 'processing' AND p.attempts = a.attempt AND p.worker_id = $1
        RETURNING p.id, p.user_id, p.cost, p.key_id, p.created_at, p.status
    ), settled AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)
        SELECT user_id, CASE status WHEN 'succeeded' THEN 'capture' ELSE 'release' END, cost, id, 'system', $1
        FROM finished
    ), ended AS (
        SELECT user_id, cost, key_id, created_at FROM finished WHERE status = 'failed'
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
    SELECT id, user_id, status FROM finished  -- as in Finished
"""


async def finish(session: Session, worker_id: str, answers: Sequence[Finish]) -> list[Finished]:
    """End a batch in one statement; answers whose row is no longer this worker's attempt are dropped."""
    if not answers:
        return []
    # Sorted by id: locked in this order, as everywhere.
    ids, attempts, predict_ms, outputs, errors = zip(*sorted(answers, key=itemgetter(0)), strict=True)
    if not any(errors):
        rows = await session.fetch(_ALL_SUCCEEDED, worker_id, ids, attempts, predict_ms, outputs)
    else:
        outputs = tuple(None if error else output for output, error in zip(outputs, errors, strict=True))
        codes = [error and error.code for error in errors]
        messages = [error and error.message for error in errors]
        rows = await session.fetch(_SOME_FAILED, worker_id, ids, attempts, predict_ms, outputs, codes, messages)
    return [Finished._make(row) for row in rows]
