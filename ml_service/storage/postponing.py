"""Postponing: a model asked for a later attempt, so a prediction is queued again as if it had not been claimed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from ml_service.storage.database import Session


class Postponement(NamedTuple):
    """A claimed prediction that is to be tried again; ``attempt`` is the one of the claim."""

    id: UUID
    attempt: int
    after_s: float


# The attempt is taken back: it failed for an upstream's sake. The outbox sends the row when its time has come. What has
# no time left stays claimed, for its worker to end.
_POSTPONE = """
    WITH postponed AS (
        UPDATE predictions AS p SET
            status = 'queued', worker_id = NULL, started_at = NULL, attempts = p.attempts - 1
        FROM unnest($2::uuid[], $3::int[], $4::float8[]) AS asked (id, attempt, after_s)
        WHERE p.id = asked.id AND p.status = 'processing' AND p.worker_id = $1 AND p.attempts = asked.attempt
            AND now() + asked.after_s * interval '1 second'
                < least(p.deadline_at, p.created_at + $5 * interval '1 second')
        RETURNING p.id, p.user_id, p.model, p.version, p.batch_id, asked.after_s
    )
    INSERT INTO outbox (prediction_id, user_id, pool, model, version, bulk, send_after)
    SELECT id, user_id, $6, model, version, batch_id IS NOT NULL, now() + after_s * interval '1 second'
    FROM postponed ORDER BY id
    ON CONFLICT (prediction_id) DO UPDATE SET send_after = excluded.send_after
    RETURNING prediction_id
"""


async def postpone(
    session: Session, worker_id: str, wanted: Sequence[Postponement], *, pool: str, retry_s_max: float
) -> set[UUID]:
    """Queue predictions again for later; returns those for which there is time.

    Args:
        pool: The workers that serve the model.
        retry_s_max: Seconds since a prediction was accepted in which it may be tried; its deadline may come first.
    """
    ids, attempts, after_s = zip(*sorted(wanted), strict=True)
    rows = await session.fetch(_POSTPONE, worker_id, ids, attempts, after_s, retry_s_max, pool)
    return {row["prediction_id"] for row in rows}
