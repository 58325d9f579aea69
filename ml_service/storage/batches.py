"""Batches: what was asked for together. The submit statement inserts them (submissions.py)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from ml_service.domain.predictions import Prediction, Source
from ml_service.storage.database import Session
from ml_service.storage.history import PAGE_BYTES, Page, page_of
from ml_service.storage.predictions import prediction_of

SIZE_MAX = 50_000
"""A batch that is larger was a bulk job."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Predictions that were accepted together.

    Attributes:
        size: How many they were; some of their rows may be gone, where retention has dropped them.
        cost: Credits that were held for all of them.
    """

    id: UUID
    user_id: UUID
    source: Source
    size: int
    cost: int
    deadline_at: datetime | None
    created_at: datetime


class Sums(NamedTuple):
    """A batch's predictions by what became of them (failed: or expired), and the credits paid for them."""

    total: int
    done: int
    failed: int
    canceled: int
    open: int
    paid: int


_GET = "SELECT id, user_id, source, size, cost, deadline_at, created_at FROM batches WHERE id = $1 AND user_id = $2"


async def get(session: Session, user_id: UUID, batch_id: UUID) -> Batch | None:
    """A user's batch."""
    row = await session.fetchrow(_GET, batch_id, user_id)
    if row is None:
        return None
    return Batch(
        id=row["id"],
        user_id=row["user_id"],
        source=Source(row["source"]),
        size=row["size"],
        cost=row["cost"],
        deadline_at=row["deadline_at"],
        created_at=row["created_at"],
    )


# The range of ids leads to one partition. What is repeated to a client names the predictions only, and a batch's texts
# may be a gigabyte.
_WITHOUT_TEXTS = """
    SELECT p.id, p.user_id, p.model, p.version, p.status, '{}' AS input, NULL AS output, p.error_code,
        NULL AS error_message, p.cost, p.source, p.batch_id, p.worker_id, p.attempts, p.predict_ms, p.deadline_at,
        p.created_at, p.started_at, p.finished_at, p.key_id
    FROM batches AS b JOIN predictions AS p ON p.id BETWEEN b.first_id AND b.last_id AND p.batch_id = b.id
    WHERE b.id = $1 AND b.user_id = $2
    ORDER BY p.id
"""


async def without_texts(session: Session, user_id: UUID, batch_id: UUID) -> list[Prediction]:
    """All predictions of a user's batch, in the order of the request, without inputs, outputs and error messages."""
    return [prediction_of(row) for row in await session.fetch(_WITHOUT_TEXTS, batch_id, user_id)]


# A larger one was a bulk job, whose row retention has deleted: its last predictions follow at once.
_SUMS = """
    SELECT count(*) AS total, count(*) FILTER (WHERE p.status = 'succeeded') AS done,
        count(*) FILTER (WHERE p.status IN ('failed', 'expired')) AS failed,
        count(*) FILTER (WHERE p.status = 'canceled') AS canceled,
        count(*) FILTER (WHERE p.finished_at IS NULL) AS open,
        coalesce(sum(p.cost) FILTER (WHERE p.status = 'succeeded'), 0)::bigint AS paid
    FROM batches AS b JOIN predictions AS p ON p.id BETWEEN b.first_id AND b.last_id AND p.batch_id = b.id
    WHERE b.id = $1 AND b.user_id = $2 AND b.size <= $3
"""


async def sums(session: Session, user_id: UUID, batch_id: UUID) -> Sums:
    """What a user's batch has come to; all 0 where there is none."""
    row = await session.fetchrow(_SUMS, batch_id, user_id, SIZE_MAX)
    assert row is not None  # noqa: S101  an aggregate always has a row
    return Sums(**dict(row))


_PAGE = """
    SELECT id, user_id, model, version, status, input, output, error_code, error_message, cost, source, batch_id,
        worker_id, attempts, predict_ms, deadline_at, created_at, started_at, finished_at, key_id, passed_count
    FROM (
        SELECT stored.*,
            sum(octet_length(input::text) + coalesce(octet_length(output::text), 0)) OVER earlier AS earlier_bytes
        FROM (  -- by their stored sizes first, as in history.py
            SELECT p.*, count(*) OVER () AS passed_count,
                sum(pg_column_size(p.input) + coalesce(pg_column_size(p.output), 0)) OVER earlier
                    AS earlier_stored_bytes
            FROM batches AS b JOIN predictions AS p ON p.id BETWEEN b.first_id AND b.last_id AND p.batch_id = b.id
            WHERE b.id = $1 AND b.user_id = $2 AND p.id > coalesce($3, '00000000-0000-0000-0000-000000000000'::uuid)
            WINDOW earlier AS (ORDER BY p.id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ) AS stored
        WHERE coalesce(earlier_stored_bytes, 0) < $4
        WINDOW earlier AS (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) AS page
    WHERE coalesce(earlier_bytes, 0) < $4
    ORDER BY id
"""


async def page(
    session: Session, user_id: UUID, batch_id: UUID, *, after: UUID | None = None, bytes_max: int = PAGE_BYTES
) -> Page:
    """Predictions of a user's batch in the order of the request, those after ``after`` where it is given."""
    rows = await session.fetch(_PAGE, batch_id, user_id, after, bytes_max)
    return page_of(rows, len(rows))


async def delete_old(session: Session, older_than_s: float, limit: int) -> int:
    """Delete up to ``limit`` batches that are that old and have no prediction left; returns how many."""
    tag = await session.execute(
        """
        DELETE FROM batches WHERE id IN (
            SELECT b.id FROM batches AS b
            WHERE b.id < first_id_of(now() - $1 * interval '1 second') AND NOT EXISTS (
                SELECT FROM predictions AS p WHERE p.id BETWEEN b.first_id AND b.last_id AND p.batch_id = b.id
            )
            ORDER BY b.id LIMIT $2
        )
        """,
        older_than_s,
        limit,
    )
    return int(tag.rpartition(" ")[2])
