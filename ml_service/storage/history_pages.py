"""Pages of a history as buttons lead through them, from id to id: a batch is one entry, however long it is.

A page is put together of two readings. One looks at predictions, some thousand at a time, and steps over the lines of
bulk jobs; the other looks at the jobs themselves, whose counters say what their lines have come to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple
from uuid import UUID

from ml_service.domain.predictions import Prediction
from ml_service.storage.batches import SIZE_MAX
from ml_service.storage.database import Session
from ml_service.storage.history import LAST_ID, OPEN, ROWS_READ_MAX, WITHOUT_OUTPUT
from ml_service.storage.predictions import prediction_of

TEXT_BYTES_MAX = 65_536
"""Of each input and each output in a page."""
JOBS_READ_MAX = 1000
"""Bulk jobs of an account that are looked at for one page. A job is missed only where so many others have begun between
its own beginning and its newest line."""
CLOCKS_APART = 3_600_000 << 80
"""An hour, as a distance of ids: a line may have a lower id than its job, of a process whose clock is behind."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A single prediction, or a batch, which its newest wanted prediction stands for; for a bulk job, its newest one.

    Attributes:
        total, done, open: How many predictions the batch has (a bulk job: valid lines), and how many of them succeeded
            or are unfinished; all 0 for a single one.
    """

    prediction: Prediction
    total: int
    done: int
    open: int
    input_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """Some entries, the nearest to the start first, and the id from which to continue; None where nothing follows.

    It may be short or empty although others follow: it ends where enough rows have been read.
    """

    entries: list[Entry]
    next_id: UUID | None


class _Counts(NamedTuple):
    total: int
    done: int
    open: int


# What is read. The pairs of account and id: see storage/history.py.
_READ_OLDER = """
        SELECT one.* FROM unnest($1::uuid[]) AS account (id) CROSS JOIN LATERAL (
            SELECT p.id, p.batch_id, p.status FROM predictions AS p  -- predictions_of_user, read backwards
            WHERE (p.user_id, p.id) < (account.id, $3) AND p.id < $3
                AND (p.user_id, p.id) >= (account.id, '00000000-0000-0000-0000-000000000000')
            ORDER BY p.user_id DESC, p.id DESC LIMIT $4
        ) AS one
        ORDER BY one.id DESC LIMIT $4
"""
_READ_NEWER = """
        SELECT one.* FROM unnest($1::uuid[]) AS account (id) CROSS JOIN LATERAL (
            SELECT p.id, p.batch_id, p.status FROM predictions AS p  -- predictions_of_user, read forwards
            WHERE (p.user_id, p.id) > (account.id, $3) AND p.id > $3
                AND (p.user_id, p.id) <= (account.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
            ORDER BY p.user_id, p.id LIMIT $4
        ) AS one
        ORDER BY one.id LIMIT $4
"""
_READ_OLDER_WITHOUT_OUTPUT = """
        SELECT one.* FROM unnest($1::uuid[]) AS account (id) CROSS JOIN LATERAL (
            SELECT p.id, p.batch_id, p.status FROM predictions AS p  -- predictions_without_output, read backwards
            WHERE (p.user_id, p.id) < (account.id, $3) AND p.id < $3
                AND (p.user_id, p.id) >= (account.id, '00000000-0000-0000-0000-000000000000')
                AND p.error_code IS NOT NULL
            ORDER BY p.user_id DESC, p.id DESC LIMIT $4
        ) AS one
        ORDER BY one.id DESC LIMIT $4
"""
_READ_NEWER_WITHOUT_OUTPUT = """
        SELECT one.* FROM unnest($1::uuid[]) AS account (id) CROSS JOIN LATERAL (
            SELECT p.id, p.batch_id, p.status FROM predictions AS p  -- predictions_without_output, read forwards
            WHERE (p.user_id, p.id) > (account.id, $3) AND p.id > $3
                AND (p.user_id, p.id) <= (account.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
                AND p.error_code IS NOT NULL
            ORDER BY p.user_id, p.id LIMIT $4
        ) AS one
        ORDER BY one.id LIMIT $4
"""
# What is unfinished: some of many, in no order.
_OPEN_IDS = """
    SELECT one.id FROM unnest($1::uuid[]) AS account (id) CROSS JOIN LATERAL (
        SELECT p.id FROM predictions AS p  -- predictions_open alone
        WHERE p.user_id = account.id AND p.finished_at IS NULL LIMIT $2
    ) AS one
    LIMIT $2
"""
_READ_OLDER_OF_IDS = """
        SELECT p.id, p.batch_id, p.status FROM unnest($1::uuid[]) AS one (id) JOIN predictions AS p ON p.id = one.id
        WHERE p.id < $3 ORDER BY p.id DESC LIMIT $4
"""
_READ_NEWER_OF_IDS = """
        SELECT p.id, p.batch_id, p.status FROM unnest($1::uuid[]) AS one (id) JOIN predictions AS p ON p.id = one.id
        WHERE p.id > $3 ORDER BY p.id LIMIT $4
"""


# A batch is listed at its newest wanted prediction, which may be beyond what was read. Its ids are neighbours, so that
# few rows lie between. A bulk job's are not, and it may have a million lines: its row is looked at, below. Where
# retention has deleted that row, which it does a little before the last lines, its size tells what it was.
def _find(read: str, order: Literal["ASC", "DESC"]) -> str:
    return f"""
    WITH read AS MATERIALIZED ({read}    ), wanted AS (
        SELECT DISTINCT ON (coalesce(r.batch_id, r.id)) r.id, r.batch_id FROM read AS r
        WHERE $2::text[] IS NULL OR r.status = ANY ($2)
        ORDER BY coalesce(r.batch_id, r.id), r.id DESC
    )
    SELECT (SELECT r.id FROM read AS r ORDER BY r.id {order} OFFSET $4 - 1 LIMIT 1) AS last_read_id, ARRAY(
        SELECT w.id FROM (SELECT * FROM wanted ORDER BY id {order}) AS w
        WHERE w.batch_id IS NULL OR EXISTS (
            SELECT FROM batches AS b
            WHERE b.id = w.batch_id AND b.size <= $6 AND NOT EXISTS (SELECT FROM bulk_jobs AS j WHERE j.id = b.id)
                AND NOT EXISTS (
                    SELECT FROM predictions AS newer
                    WHERE newer.id > w.id AND newer.id <= b.last_id AND newer.batch_id = b.id
                        AND ($2 IS NULL OR newer.status = ANY ($2))
                )
        )
        ORDER BY w.id {order} LIMIT $5
    ) AS ids
    """  # noqa: S608  the text is ours


_FIND_OLDER = _find(_READ_OLDER, "DESC")
_FIND_NEWER = _find(_READ_NEWER, "ASC")
_FIND_OLDER_WITHOUT_OUTPUT = _find(_READ_OLDER_WITHOUT_OUTPUT, "DESC")
_FIND_NEWER_WITHOUT_OUTPUT = _find(_READ_NEWER_WITHOUT_OUTPUT, "ASC")
_FIND_OLDER_OF_IDS = _find(_READ_OLDER_OF_IDS, "DESC")
_FIND_NEWER_OF_IDS = _find(_READ_NEWER_OF_IDS, "ASC")

# A job is listed at its newest line, whatever is wanted of it.
_COUNTED_JOBS = """
    JOIN batches AS b ON b.id = j.id
    CROSS JOIN LATERAL (
        SELECT j.lines - j.lines_invalid AS total, j.succeeded + j.partial_succeeded AS done,
            j.failed + j.partial_failed AS failed
    ) AS c
    CROSS JOIN LATERAL (
        SELECT CASE WHEN j.finished_at IS NULL THEN greatest(0, c.total - c.done - c.failed - j.canceled) ELSE 0 END
            AS open
    ) AS o
    WHERE ($2::text[] IS NULL OR 'succeeded' = ANY ($2) AND c.done > 0
            OR $2 && ARRAY['failed', 'expired'] AND c.failed > 0 OR 'canceled' = ANY ($2) AND j.canceled > 0
            OR $2 && ARRAY['queued', 'processing'] AND o.open > 0)
        AND EXISTS (SELECT FROM predictions AS p WHERE p.id = b.last_id)
"""
_JOBS_OLDER = f"""
    SELECT b.last_id AS id, c.total, c.done, o.open
    FROM unnest($1::uuid[]) AS account (id) CROSS JOIN LATERAL (
        SELECT j.* FROM bulk_jobs AS j  -- bulk_jobs_of_user, read backwards
        WHERE (j.user_id, j.id) < (account.id, $6)
            AND (j.user_id, j.id) >= (account.id, '00000000-0000-0000-0000-000000000000')
        ORDER BY j.user_id DESC, j.id DESC LIMIT $4
    ) AS j {_COUNTED_JOBS} AND b.last_id < $3
    ORDER BY b.last_id DESC LIMIT $5
"""  # noqa: S608  the text is ours
_JOBS_NEWER = f"""
    SELECT b.last_id AS id, c.total, c.done, o.open
    FROM unnest($1::uuid[]) AS account (id) CROSS JOIN LATERAL (
        (
            SELECT j.* FROM bulk_jobs AS j  -- bulk_jobs_of_user, read backwards: older jobs with newer lines
            WHERE (j.user_id, j.id) <= (account.id, $6)
                AND (j.user_id, j.id) >= (account.id, '00000000-0000-0000-0000-000000000000')
            ORDER BY j.user_id DESC, j.id DESC LIMIT $4
        ) UNION ALL (
            SELECT j.* FROM bulk_jobs AS j  -- bulk_jobs_of_user, read forwards
            WHERE (j.user_id, j.id) > (account.id, $6)
                AND (j.user_id, j.id) <= (account.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
            ORDER BY j.user_id, j.id LIMIT $4
        )
    ) AS j {_COUNTED_JOBS} AND b.last_id > $3
    ORDER BY b.last_id LIMIT $5
"""  # noqa: S608  the text is ours
# Each entry is shown in one line, so a long input is cut to the beginning of its text, or of its JSON,
# and a long output is left out.
_SHOWN = """
    SELECT p.id, p.user_id, p.model, p.version, p.status,
        CASE WHEN octet_length(p.input::text) <= $3 THEN p.input
            WHEN json_typeof(p.input -> 'text') = 'string' THEN json_build_object('text', left(p.input ->> 'text', 200))
            ELSE to_json(left(p.input::text, 200)) END AS input,
        octet_length(p.input::text) AS input_bytes,
        CASE WHEN octet_length(p.output::text) <= $3 THEN p.output END AS output,
        p.error_code, p.error_message, p.cost, p.source, p.batch_id, p.worker_id, p.attempts, p.predict_ms,
        p.deadline_at, p.created_at, p.started_at, p.finished_at, p.key_id, counted.total, counted.done, counted.open
    FROM unnest($1::uuid[]) AS one (id) JOIN predictions AS p ON p.id = one.id
    CROSS JOIN LATERAL (
        SELECT coalesce(max(b.size), 0) AS total, count(*) FILTER (WHERE item.status = 'succeeded') AS done,
            count(*) FILTER (WHERE item.finished_at IS NULL) AS open
        FROM batches AS b JOIN predictions AS item ON item.id BETWEEN b.first_id AND b.last_id AND item.batch_id = b.id
        WHERE b.id = p.batch_id AND p.id <> ALL ($2::uuid[])
    ) AS counted
"""


async def older(
    session: Session,
    user_ids: Sequence[UUID],
    statuses: Sequence[str] | None,
    *,
    before: UUID = LAST_ID,
    limit: int,
    rows_read_max: int = ROWS_READ_MAX,
) -> Reading:
    """The newest entries of these accounts' histories before an id; with ``statuses``, those with such a prediction.

    A long input is cut to the beginning of its text, or becomes a string, the beginning of its JSON; a long output is
    left out.
    """
    near = UUID(int=min(before.int + CLOCKS_APART, LAST_ID.int))
    jobs = await _jobs(session, _JOBS_OLDER, user_ids, statuses, before, limit, near)
    statements = (_FIND_OLDER, _FIND_OLDER_WITHOUT_OUTPUT, _FIND_OLDER_OF_IDS)
    ids, last = await _found(session, statements, user_ids, statuses, before, limit, rows_read_max)
    ids = sorted([*ids, *(id_ for id_ in jobs if last is None or id_ >= last)], reverse=True)[:limit]
    return await _shown(session, ids, jobs, ids[-1] if len(ids) == limit else last)


async def newer(
    session: Session,
    user_ids: Sequence[UUID],
    statuses: Sequence[str] | None,
    *,
    after: UUID,
    limit: int,
    rows_read_max: int = ROWS_READ_MAX,
) -> Reading:
    """The oldest entries after an id, in this order; as `older` otherwise."""
    jobs = await _jobs(session, _JOBS_NEWER, user_ids, statuses, after, limit, after)
    statements = (_FIND_NEWER, _FIND_NEWER_WITHOUT_OUTPUT, _FIND_NEWER_OF_IDS)
    ids, last = await _found(session, statements, user_ids, statuses, after, limit, rows_read_max)
    ids = sorted([*ids, *(id_ for id_ in jobs if last is None or id_ <= last)])[:limit]
    return await _shown(session, ids, jobs, ids[-1] if len(ids) == limit else last)


async def _jobs(
    session: Session,
    statement: str,
    user_ids: Sequence[UUID],
    statuses: Sequence[str] | None,
    start: UUID,
    limit: int,
    near: UUID,
) -> dict[UUID, _Counts]:
    rows = await session.fetch(statement, user_ids, statuses, start, JOBS_READ_MAX, limit, near)
    return {row["id"]: _Counts(row["total"], row["done"], row["open"]) for row in rows}


async def _found(
    session: Session,
    statements: tuple[str, str, str],
    user_ids: Sequence[UUID],
    statuses: Sequence[str] | None,
    start: UUID,
    limit: int,
    rows_read_max: int,
) -> tuple[list[UUID], UUID | None]:
    """The next entries that are no bulk jobs, and the last row that was read for them; None: it was the last of all."""
    among, wanted = user_ids, frozenset(statuses or ())
    statement, without_output, of_ids = statements
    if wanted and wanted <= WITHOUT_OUTPUT:
        statement = without_output
    elif wanted and wanted <= OPEN:
        open_ids = [row["id"] for row in await session.fetch(_OPEN_IDS, user_ids, rows_read_max)]
        if len(open_ids) < rows_read_max:  # else they are many of what is newest
            statement, among = of_ids, open_ids
    row = await session.fetchrow(statement, among, statuses, start, rows_read_max, limit, SIZE_MAX)
    assert row is not None  # noqa: S101  it has no FROM
    return row["ids"], row["last_read_id"]


async def _shown(session: Session, ids: list[UUID], jobs: dict[UUID, _Counts], next_id: UUID | None) -> Reading:
    rows = {row["id"]: row for row in await session.fetch(_SHOWN, ids, list(jobs), TEXT_BYTES_MAX)} if ids else {}
    entries = []
    for id_ in ids:
        if row := rows.get(id_):  # else retention has just dropped it
            counts = jobs.get(id_, _Counts(row["total"], row["done"], row["open"]))
            entries.append(Entry(prediction_of(row), *counts, row["input_bytes"]))
    return Reading(entries, next_id)
