"""What the last predictions tell: how long answers take, and what fails."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from ml_service.domain.models import AnswerTimes
from ml_service.storage.database import Session


@dataclass(frozen=True, slots=True)
class Times:
    """Mean seconds of a model's last answers, from the request to the end, and within the model; None without any."""

    total_s: float | None
    predict_s: float | None


_TIMES = """
    SELECT avg(extract(epoch FROM finished_at - created_at))::float8 AS total_s,
        avg(predict_ms / 1000)::float8 AS predict_s
    FROM (
        SELECT * FROM (SELECT * FROM predictions ORDER BY id DESC LIMIT 200) AS recent
        WHERE model = $1 AND status = 'succeeded' AND batch_id IS NULL LIMIT 20
    ) AS last
"""


async def times(session: Session, model: str) -> Times:
    """How long the last answers of a model took."""
    row = await session.fetchrow(_TIMES, model)
    assert row is not None  # noqa: S101  an aggregate always returns one row
    return Times(**dict(row))


# Items of batches wait in turns over users, so they do not tell how long a single request waits.
_ANSWER_TIMES = """
    SELECT model, count(*) AS samples, percentile_cont(0.5) WITHIN GROUP (ORDER BY total_ms) AS median_ms,
        percentile_cont(0.95) WITHIN GROUP (ORDER BY total_ms) AS p95_ms,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY predict_ms) AS predict_ms
    FROM (
        SELECT model, status, batch_id, predict_ms,
            (extract(epoch FROM finished_at - created_at) * 1000)::float8 AS total_ms
        FROM predictions ORDER BY id DESC LIMIT $1  -- the primary key, read backwards
    ) AS newest
    WHERE status = 'succeeded' AND batch_id IS NULL
    GROUP BY model
"""


async def answer_times(session: Session, rows_read: int) -> dict[str, AnswerTimes]:
    """How long the answers among the last ``rows_read`` predictions took, by model, batches left out."""
    rows = await session.fetch(_ANSWER_TIMES, rows_read)
    return {
        row["model"]: AnswerTimes(row["median_ms"], row["p95_ms"], row["samples"], row["predict_ms"] or 0.0)
        for row in rows
    }


async def failures(session: Session, since: UUID, limit: int) -> list[tuple[str, int]]:
    """Codes of failed predictions with ids from ``since`` on (a UUIDv7 of that time), the most frequent first."""
    rows = await session.fetch(
        "SELECT error_code, count(*) AS count FROM (SELECT error_code FROM predictions"
        " WHERE id >= $1 AND status IN ('failed', 'expired') LIMIT 100000) AS failed"
        " GROUP BY error_code ORDER BY count DESC, error_code LIMIT $2",
        since,
        limit,
    )
    return [(row["error_code"], row["count"]) for row in rows]
