"""A user's predictions in pages that are bounded in rows, in bytes, and in the rows that are read for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ml_service.domain.predictions import Prediction, Source, Status
from ml_service.storage.database import Session
from ml_service.storage.predictions import prediction_of

LAST_ID = UUID(int=2**128 - 1)
"""No id comes after this one: a condition on the index, whether there is a cursor or not."""
FIRST_ID = UUID(int=0)
PAGE_BYTES = 4_000_000
"""Bytes of inputs and outputs in a page: many pages in flight must not fill a process's memory."""
ROWS_READ_MAX = 5000
"""Rows that are read for one page: a filter that few rows pass must not read a history of millions to its end."""

WITHOUT_OUTPUT = frozenset({Status.FAILED, Status.CANCELED, Status.EXPIRED})
"""States whose predictions are in predictions_without_output, and no others."""
OPEN = frozenset({Status.QUEUED, Status.PROCESSING})
"""As much for predictions_open."""


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """Filters for a user's history; None or an empty tuple does not filter.

    Attributes:
        from_id, until_id: Only ids from the first on, and before the second: a time, by `ids.first_id_at`.
    """

    statuses: tuple[Status, ...] = ()
    model: str | None = None
    source: Source | None = None
    batch_id: UUID | None = None
    key_id: UUID | None = None
    from_id: UUID = FIRST_ID
    until_id: UUID = LAST_ID


@dataclass(frozen=True, slots=True)
class Page:
    """Some predictions, and the id from which to continue; None where nothing follows.

    A page may be short or empty although others follow: it ends at its limit of bytes or of rows read.
    """

    items: list[Prediction]
    next_id: UUID | None


# Pairs are compared so that the index of users is read and no other: in a database where one user has nearly all rows,
# the primary key looks as good to the planner, and another user's page would read all of it. `id` alone is compared so
# that only the partitions of its time are looked into. The next query has the same order, so that it stops the reading
# when it has its rows.
#
# The innermost query bounds the reading, the next one filters and bounds the rows, the outermost bounds the bytes. A
# text's length is known once it has been read and decompressed, some milliseconds for a megabyte; so the stored sizes,
# which cost nothing, bound first which texts are looked at.
#
# The lines of a bulk job have no key of their own (migration 0023): where a key is asked for, the job of each row
# that is read is looked up.
_HISTORY = """
    SELECT id, user_id, model, version, status, input, output, error_code, error_message, cost, source, batch_id,
        worker_id, attempts, predict_ms, deadline_at, created_at, started_at, finished_at, key_id, passed_count
    FROM (
        SELECT stored.*,
            sum(octet_length(input::text) + coalesce(octet_length(output::text), 0)) OVER newer AS newer_bytes
        FROM (
            SELECT passed.*, count(*) OVER () AS passed_count,
                sum(pg_column_size(input) + coalesce(pg_column_size(output), 0)) OVER newer AS newer_stored_bytes
            FROM (
                SELECT * FROM (
                    SELECT * FROM predictions  -- predictions_of_user, read backwards
                    WHERE (user_id, id) < ($1, $2) AND (user_id, id) >= ($1, $3) AND id < $2 AND id >= $3
                    ORDER BY user_id DESC, id DESC LIMIT $8
                ) AS read
                WHERE ($4::text[] IS NULL OR status = ANY ($4)) AND ($5::text IS NULL OR model = $5)
                    AND ($6::text IS NULL OR source = $6) AND ($7::uuid IS NULL OR batch_id = $7)
                    AND ($11::uuid IS NULL OR $11 = coalesce(key_id, (
                        SELECT b.key_id FROM bulk_jobs AS b WHERE b.id = read.batch_id
                    )))
                ORDER BY user_id DESC, id DESC LIMIT $9
            ) AS passed
            WINDOW newer AS (ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ) AS stored
        WHERE coalesce(newer_stored_bytes, 0) < $10
        WINDOW newer AS (ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) AS page
    WHERE coalesce(newer_bytes, 0) < $10
    ORDER BY id DESC
"""
# What ended without an output is rare, and looked for often: it has an index of its own.
_HISTORY_WITHOUT_OUTPUT = """
    SELECT id, user_id, model, version, status, input, output, error_code, error_message, cost, source, batch_id,
        worker_id, attempts, predict_ms, deadline_at, created_at, started_at, finished_at, key_id, passed_count
    FROM (
        SELECT stored.*,
            sum(octet_length(input::text) + coalesce(octet_length(output::text), 0)) OVER newer AS newer_bytes
        FROM (
            SELECT passed.*, count(*) OVER () AS passed_count,
                sum(pg_column_size(input) + coalesce(pg_column_size(output), 0)) OVER newer AS newer_stored_bytes
            FROM (
                SELECT * FROM (
                    SELECT * FROM predictions  -- predictions_without_output, read backwards
                    WHERE (user_id, id) < ($1, $2) AND (user_id, id) >= ($1, $3) AND id < $2 AND id >= $3
                        AND error_code IS NOT NULL
                    ORDER BY user_id DESC, id DESC LIMIT $8
                ) AS read
                WHERE ($4::text[] IS NULL OR status = ANY ($4)) AND ($5::text IS NULL OR model = $5)
                    AND ($6::text IS NULL OR source = $6) AND ($7::uuid IS NULL OR batch_id = $7)
                    AND ($11::uuid IS NULL OR $11 = coalesce(key_id, (
                        SELECT b.key_id FROM bulk_jobs AS b WHERE b.id = read.batch_id
                    )))
                ORDER BY user_id DESC, id DESC LIMIT $9
            ) AS passed
            WINDOW newer AS (ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ) AS stored
        WHERE coalesce(newer_stored_bytes, 0) < $10
        WINDOW newer AS (ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) AS page
    WHERE coalesce(newer_bytes, 0) < $10
    ORDER BY id DESC
"""
_LAST_READ = """
    SELECT id FROM predictions  -- predictions_of_user, read backwards
    WHERE (user_id, id) < ($1, $2) AND (user_id, id) >= ($1, $3) AND id < $2 AND id >= $3
    ORDER BY user_id DESC, id DESC OFFSET $4 - 1 LIMIT 1
"""
_LAST_READ_WITHOUT_OUTPUT = """
    SELECT id FROM predictions  -- predictions_without_output, read backwards
    WHERE (user_id, id) < ($1, $2) AND (user_id, id) >= ($1, $3) AND id < $2 AND id >= $3 AND error_code IS NOT NULL
    ORDER BY user_id DESC, id DESC OFFSET $4 - 1 LIMIT 1
"""
# What is unfinished: some of many, in no order.
_OPEN_IDS = """
    SELECT id FROM predictions WHERE user_id = $1 AND finished_at IS NULL LIMIT $2  -- predictions_open alone
"""
_HISTORY_OF_IDS = """
    SELECT id, user_id, model, version, status, input, output, error_code, error_message, cost, source, batch_id,
        worker_id, attempts, predict_ms, deadline_at, created_at, started_at, finished_at, key_id, passed_count
    FROM (
        SELECT stored.*,
            sum(octet_length(input::text) + coalesce(octet_length(output::text), 0)) OVER newer AS newer_bytes
        FROM (
            SELECT passed.*, count(*) OVER () AS passed_count,
                sum(pg_column_size(input) + coalesce(pg_column_size(output), 0)) OVER newer AS newer_stored_bytes
            FROM (
                SELECT p.* FROM unnest($8::uuid[]) AS wanted (id) JOIN predictions AS p ON p.id = wanted.id
                WHERE p.user_id = $1 AND p.id < $2 AND p.id >= $3
                    AND ($4::text[] IS NULL OR p.status = ANY ($4)) AND ($5::text IS NULL OR p.model = $5)
                    AND ($6::text IS NULL OR p.source = $6) AND ($7::uuid IS NULL OR p.batch_id = $7)
                    AND ($11::uuid IS NULL OR $11 = coalesce(p.key_id, (
                        SELECT b.key_id FROM bulk_jobs AS b WHERE b.id = p.batch_id
                    )))
                ORDER BY p.id DESC LIMIT $9
            ) AS passed
            WINDOW newer AS (ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ) AS stored
        WHERE coalesce(newer_stored_bytes, 0) < $10
        WINDOW newer AS (ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) AS page
    WHERE coalesce(newer_bytes, 0) < $10
    ORDER BY id DESC
"""
_BATCH_RANGE = "SELECT first_id, last_id FROM batches WHERE id = $1 AND user_id = $2"


async def history(
    session: Session,
    user_id: UUID,
    wanted: HistoryFilter,
    *,
    before: UUID | None,
    limit: int,
    bytes_max: int = PAGE_BYTES,
    rows_read_max: int = ROWS_READ_MAX,
) -> Page:
    """A user's predictions, newest first, older than ``before`` where it is given."""
    start, end = min(before or LAST_ID, wanted.until_id), wanted.from_id
    if wanted.batch_id is not None:  # its predictions lie close together, however far back
        batch = await session.fetchrow(_BATCH_RANGE, wanted.batch_id, user_id)
        if batch is None:
            return Page([], None)
        start, end = min(start, UUID(int=batch["last_id"].int + 1)), max(end, batch["first_id"])
    statuses, key_id = frozenset(wanted.statuses), wanted.key_id
    filters = (list(statuses) or None, wanted.model, wanted.source, wanted.batch_id)
    if statuses and statuses <= OPEN:
        ids = [row["id"] for row in await session.fetch(_OPEN_IDS, user_id, rows_read_max + 1)]
        if len(ids) <= rows_read_max:  # else they are many of what is newest
            rows = await session.fetch(
                _HISTORY_OF_IDS, user_id, start, end, *filters, ids, limit + 1, bytes_max, key_id
            )
            return page_of(rows, limit)
    is_without_output = bool(statuses) and statuses <= WITHOUT_OUTPUT
    statement = _HISTORY_WITHOUT_OUTPUT if is_without_output else _HISTORY
    rows = await session.fetch(statement, user_id, start, end, *filters, rows_read_max, limit + 1, bytes_max, key_id)
    page = page_of(rows, limit)
    if page.next_id is None:
        last_read = _LAST_READ_WITHOUT_OUTPUT if is_without_output else _LAST_READ
        return Page(page.items, await session.fetchval(last_read, user_id, start, end, rows_read_max))
    return page


def page_of(rows: list[Any], limit: int) -> Page:
    """A page of rows with all of a prediction's columns and ``passed_count``: how many passed the filter."""
    items = [prediction_of(row) for row in rows[:limit]]
    is_cut = bool(rows) and rows[0]["passed_count"] > len(items)
    return Page(items, items[-1].id if is_cut else None)
