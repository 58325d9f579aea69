"""What became of a bulk job's lines, in the order of the file, a bounded piece at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ml_service.storage.database import Session

IDS_MAX = 200
BYTES_MAX = 500_000
"""Of the texts of one reading, beyond the first one's: so much a slow reader holds."""


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """Some lines of a job, as lists of the same length; None instead of a list without any value."""

    lines: list[int]
    refs: list[str | None] | None
    errors: list[str | None] | None
    prediction_ids: list[UUID | None] | None


async def chunk(session: Session, bulk_id: UUID, number: int) -> StoredChunk | None:
    """A chunk; None after the last one."""
    row = await session.fetchrow(
        "SELECT lines, refs, errors, prediction_ids FROM bulk_chunks WHERE bulk_id = $1 AND number = $2",
        bulk_id,
        number,
    )
    return None if row is None else StoredChunk(**dict(row))


async def chunk_after(session: Session, bulk_id: UUID, line: int) -> int:
    """The number of the chunk that has the line after this one; beyond the last chunk where there is none."""
    return int(
        await session.fetchval(
            "SELECT count(*) FROM bulk_chunks WHERE bulk_id = $1 AND lines[cardinality(lines)] <= $2", bulk_id, line
        )
    )


_ANSWERS = """
    SELECT id, status, input, output, error_code, error_message, cost FROM (
        SELECT stored.*,
            sum(coalesce(octet_length(output::text), 0) + coalesce(octet_length(input::text), 0))
                OVER before AS bytes_before
        FROM (  -- by their stored sizes first, as in history.py
            SELECT asked.no, p.id, p.status, CASE WHEN $3 THEN p.input END AS input, p.output, p.error_code,
                p.error_message, p.cost,
                sum(coalesce(pg_column_size(p.output), 0) + CASE WHEN $3 THEN pg_column_size(p.input) ELSE 0 END)
                    OVER before AS stored_bytes_before
            FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (id, no) LEFT JOIN predictions AS p ON p.id = asked.id
            WINDOW before AS (ORDER BY asked.no ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ) AS stored
        WHERE coalesce(stored_bytes_before, 0) < $2
        WINDOW before AS (ORDER BY no ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) AS answer
    WHERE coalesce(bytes_before, 0) < $2
    ORDER BY no
"""


async def answers(session: Session, ids: Sequence[UUID], *, with_inputs: bool) -> list[Any]:
    """The predictions of ``ids`` in this order, as many as fit; a row without an id if it is no longer kept."""
    return list(await session.fetch(_ANSWERS, ids, BYTES_MAX, with_inputs))


# The counter has those of chunks that were counted as ended.
_CANCELED = """
    SELECT b.canceled + (
        SELECT count(*)
        FROM bulk_chunks AS c  -- bulk_chunks_open
        CROSS JOIN LATERAL unnest(c.prediction_ids) AS one (id) JOIN predictions AS p ON p.id = one.id
        WHERE c.bulk_id = b.id AND NOT c.is_settled AND p.status = 'canceled'
    ) FROM bulk_jobs AS b WHERE b.id = $1
"""


async def count_canceled(session: Session, bulk_id: UUID) -> int:
    """How many lines of a job are canceled at this moment, by the user or by the bulk feeder."""
    return int(await session.fetchval(_CANCELED, bulk_id) or 0)
