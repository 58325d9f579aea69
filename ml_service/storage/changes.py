"""What has changed for a user since a reader's last look, exactly: nothing is missed, and nothing comes twice.

Ids and times do not tell what is new, for transactions of the database commit in another order than they begin. So a
reader keeps a snapshot (which transactions it has seen), and asks for rows whose version is of none of them. Where to
look: each change of a prediction but its claim writes a row of the ledger, and claims concern open predictions only.

Some commits do not wait for the disk. A crash of the server undoes the last of them and uses their numbers again, so a
reading ends when all that it has seen is on the disk.
docs/decisions/0013-events-by-snapshots.md
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any
from uuid import UUID

from ml_service.domain.bulk import BulkJob
from ml_service.domain.predictions import Prediction
from ml_service.storage import bulk_jobs
from ml_service.storage.database import Session
from ml_service.storage.predictions import prediction_of

NEVER = UUID(int=0)
NEWEST = UUID(int=2**128 - 1)
ROWS_MAX = 100
"""Predictions of one reading."""
BYTES_MAX = 65_536
"""Bytes of their inputs and outputs, beyond the first one's: so much a slow reader holds."""
OPEN_MAX = 200
"""Open predictions of a user that are shown at first, and whose claims are told."""
OPEN_BYTES_MAX = 500_000
BEHIND_MAX = 2000
"""Movements of credits since a position beyond which a reader begins with what is open instead."""
JOBS_MAX = 20
"""A user's newest bulk jobs, whose changes are told; more are never unfinished at a time."""
TEXT_LENGTH_MAX = 4000
MOVEMENTS_UNDER_WAY_MAX = 100_000
"""More movements are never numbered while one transaction is under way; only used before `Horizon` knows better."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far a reader has come.

    Attributes:
        since: The snapshot whose changes it knows.
        low: It knows every movement of credits up to this number.
        balance, held: What it was told last.
        until, after, job: In the middle of a reading: of what ``until`` has seen it also knows predictions up to
            ``after``, and bulk jobs, which come newest first, down to ``job``.
    """

    since: str
    low: int
    balance: int
    held: int
    until: str = ""
    after: UUID = NEVER
    job: UUID = NEWEST

    def is_ahead_of(self, snapshot: str) -> bool:
        """Whether it knows of transactions that ``snapshot`` says have not begun."""
        return self.xmax > int(snapshot.split(":")[1])

    @property
    def xmax(self) -> int:
        """The end of the transactions that it knows of."""
        return max(int(one.split(":")[1]) for one in (self.since, self.until) if one)

    def __str__(self) -> str:
        """For a client to keep; `read_position` reads it."""
        parts = [_short(self.since), str(self.low), str(self.balance), str(self.held)]
        return ";".join(parts + ([_short(self.until), self.after.hex, self.job.hex] if self.until else []))


def _short(snapshot: str) -> str:
    """A snapshot that is not too long: one with many transactions under way counts as if all after them were, too."""
    if len(snapshot) <= TEXT_LENGTH_MAX // 3:
        return snapshot
    xmin = snapshot.partition(":")[0]
    return f"{xmin}:{xmin}:"


def read_position(text: str) -> Position | None:
    """The position that a client kept; None where it is none of ours."""
    parts = text.split(";")
    try:
        if len(text) > TEXT_LENGTH_MAX or not text.isascii():
            return None
        since, low, balance, held, *round_ = parts
        until, after, job = round_ or ("", NEVER.hex, NEWEST.hex)
        position = Position(since, int(low), int(balance), int(held), until, UUID(hex=after), UUID(hex=job))
    except ValueError:
        return None
    is_in_range = all(0 <= number < 2**63 for number in (position.low, position.balance, position.held))
    is_right = is_in_range and _is_snapshot(since) and (not round_ or _is_snapshot(until))
    return position if is_right else None


def _is_snapshot(text: str) -> bool:
    xmin, xmax, under_way = text.split(":") if text.count(":") == 2 else ("", "", "")  # noqa: PLR2004
    numbers = [xmin, xmax, *(under_way.split(",") if under_way else [])]
    if not all(number.isdecimal() and len(number) < 19 for number in numbers):  # noqa: PLR2004  of 64 bits
        return False
    first, end, *between = map(int, numbers)
    return 0 < first <= end and all(first <= one < end for one in between) and all(a < b for a, b in pairwise(between))


@dataclass(frozen=True, slots=True)
class Changes:
    """What a user's predictions and credits have come to since a position.

    Attributes:
        predictions: Changed ones as they are now, by id.
        snapshot: Of this reading.
        is_cut: There may be more of them.
        jobs: Bulk jobs that have changed; with the last part of a reading.
    """

    predictions: list[Prediction]
    snapshot: str
    balance: int
    held: int
    is_cut: bool
    jobs: tuple[BulkJob, ...] = ()


# Its commit waits for the disk, and so for all that was written before it.
_FLUSH = "SELECT pg_logical_emit_message(true, 'ml_service', '')"


async def _wait_for_disk(session: Session, *, is_durable: bool) -> None:
    if not is_durable:
        await session.execute(_FLUSH)


_CHANGES = """
    SELECT asked.no, pg_current_snapshot()::text AS snapshot,
        pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn() AS is_durable, u.balance,
        (SELECT coalesce(sum(o.cost), 0)::bigint FROM predictions AS o  -- predictions_open alone
         WHERE o.user_id = u.id AND o.finished_at IS NULL)
        + (SELECT coalesce(sum(b.waiting * b.price_credits), 0)::bigint FROM bulk_jobs AS b  -- bulk_jobs_open
           WHERE b.user_id = u.id AND b.finished_at IS NULL AND b.status = 'running') AS held,
        EXISTS (
            SELECT FROM (
                SELECT b.xmin FROM bulk_jobs AS b  -- bulk_jobs_of_user
                WHERE b.user_id = asked.user_id ORDER BY b.user_id DESC, b.id DESC LIMIT $10
            ) AS job WHERE NOT is_version_seen(job.xmin, asked.since::pg_snapshot)
        ) AS has_jobs,
        changed.*
    FROM unnest($1::int[], $2::uuid[], $3::text[], $4::bigint[], $5::text[], $6::uuid[])
        AS asked (no, user_id, since, low, until, after)
    JOIN users AS u ON u.id = asked.user_id
    LEFT JOIN LATERAL (
        SELECT stored.*,
            sum(octet_length(input::text) + coalesce(octet_length(output::text), 0)) OVER before AS bytes_before
        FROM (  -- by their stored sizes first, as in history.py
            SELECT found.*, count(*) OVER () AS found_count,
                sum(pg_column_size(input) + coalesce(pg_column_size(output), 0)) OVER before AS stored_bytes_before
            FROM (
                SELECT p.*
                FROM (
                    SELECT t.prediction_id AS id FROM transactions AS t  -- transactions_of_user
                    WHERE t.user_id = asked.user_id AND t.id > asked.low AND t.prediction_id > asked.after
                        AND NOT is_version_seen(t.xmin, asked.since::pg_snapshot)
                    UNION
                    (SELECT o.id FROM predictions AS o  -- predictions_open
                     WHERE o.user_id = asked.user_id AND o.batch_id IS NULL AND o.finished_at IS NULL
                        AND o.id > asked.after AND NOT is_version_seen(o.xmin, asked.since::pg_snapshot)
                     LIMIT $7)
                ) AS candidate
                JOIN predictions AS p ON p.id = candidate.id AND p.user_id = asked.user_id
                -- In the middle of a reading, what changed after its beginning comes with the next one. A batch's item
                -- that was there and has been claimed meanwhile would not: no movement of credits tells of it again.
                -- Lines of a bulk job are told by the job.
                WHERE NOT is_version_seen(p.xmin, asked.since::pg_snapshot)
                    AND (p.batch_id IS NULL OR NOT EXISTS (SELECT FROM bulk_jobs AS b WHERE b.id = p.batch_id))
                    AND CASE
                    WHEN asked.until = '' THEN true
                    WHEN p.batch_id IS NOT NULL AND p.finished_at IS NULL THEN EXISTS (
                        SELECT FROM transactions AS h  -- transactions_of_prediction
                        WHERE h.prediction_id = p.id AND h.kind = 'hold'
                            AND is_version_seen(h.xmin, asked.until::pg_snapshot)
                    )
                    ELSE is_version_seen(p.xmin, asked.until::pg_snapshot)
                END
                ORDER BY p.id LIMIT $8 + 1
            ) AS found
            WINDOW before AS (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ) AS stored
        WHERE coalesce(stored_bytes_before, 0) < $9
        WINDOW before AS (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) AS changed ON coalesce(changed.bytes_before, 0) < $9
    ORDER BY asked.no, changed.id
"""


async def changes(session: Session, asked: Sequence[tuple[UUID, Position]]) -> list[Changes | None]:
    """The changes for each user since a position, all in one statement; None for a user who is gone."""
    users, positions = zip(*asked, strict=True)
    rows = await session.fetch(
        _CHANGES,
        range(len(asked)),
        users,
        [position.since for position in positions],
        [position.low for position in positions],
        [position.until for position in positions],
        [position.after for position in positions],
        OPEN_MAX,
        ROWS_MAX,
        BYTES_MAX,
        JOBS_MAX,
    )
    await _wait_for_disk(session, is_durable=all(row["is_durable"] for row in rows))
    by_number: defaultdict[int, list[Any]] = defaultdict(list)
    for row in rows:
        by_number[row["no"]].append(row)
    found = [_changes_of(by_number[number]) if number in by_number else None for number in range(len(asked))]
    return await _with_jobs(session, asked, found, {row["no"] for row in rows if row["has_jobs"]})


async def _with_jobs(
    session: Session, asked: Sequence[tuple[UUID, Position]], found: list[Changes | None], numbers: set[int]
) -> list[Changes | None]:
    for number in numbers:
        changes, (user_id, position) = found[number], asked[number]
        if changes is not None and not changes.is_cut:
            until = position.until or changes.snapshot
            jobs = await bulk_jobs.changed(session, user_id, position.since, until, JOBS_MAX)
            found[number] = replace(changes, jobs=tuple(job for job in jobs if job.id < position.job))
    return found


def _changes_of(rows: list[Any]) -> Changes:
    first = rows[0]
    found = [prediction_of(row) for row in rows[:ROWS_MAX] if row["id"] is not None]
    is_cut = bool(found) and first["found_count"] > len(found)
    return Changes(found, first["snapshot"], first["balance"], first["held"], is_cut)


@dataclass(frozen=True, slots=True)
class Open:
    """A user's unfinished predictions, the newest first, up to a number and a size; and the credits.

    Attributes:
        jobs: Unfinished bulk jobs; their lines are not among the predictions.
    """

    predictions: list[Prediction]
    count: int
    balance: int
    held: int
    snapshot: str
    low: int
    jobs: tuple[BulkJob, ...] = ()


_OPEN = """
    WITH open AS MATERIALIZED (
        SELECT id, cost, batch_id IS NOT NULL AND EXISTS (SELECT FROM bulk_jobs AS b WHERE b.id = batch_id) AS is_line
        FROM predictions WHERE user_id = $1 AND finished_at IS NULL  -- predictions_open alone
    )
    SELECT pg_current_snapshot()::text AS snapshot,
        pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn() AS is_durable,
        greatest(0, (SELECT max(id) FROM transactions) - $4::bigint) AS low,
        u.balance,
        (SELECT coalesce(sum(cost), 0)::bigint FROM open)
        + (SELECT coalesce(sum(b.waiting * b.price_credits), 0)::bigint FROM bulk_jobs AS b  -- bulk_jobs_open
           WHERE b.user_id = u.id AND b.finished_at IS NULL AND b.status = 'running') AS held,
        (SELECT count(*) FROM open WHERE NOT is_line) AS open_count,
        EXISTS (SELECT FROM bulk_jobs AS b WHERE b.user_id = u.id AND b.finished_at IS NULL) AS has_jobs,
        newest.*
    FROM users AS u
    LEFT JOIN LATERAL (
        SELECT stored.*, sum(octet_length(input::text)) OVER newer AS bytes_before
        FROM (
            SELECT p.*, sum(pg_column_size(p.input)) OVER newer AS stored_bytes_before
            FROM (SELECT id FROM open WHERE NOT is_line ORDER BY id DESC LIMIT $2) AS one
            JOIN predictions AS p ON p.id = one.id
            WINDOW newer AS (ORDER BY p.id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ) AS stored
        WHERE coalesce(stored_bytes_before, 0) < $3
        WINDOW newer AS (ORDER BY id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) AS newest ON coalesce(newest.bytes_before, 0) < $3
    WHERE u.id = $1
    ORDER BY newest.id DESC
"""


async def open_now(session: Session, user_id: UUID) -> Open | None:
    """What a user has open; None for a user who is gone."""
    rows = await session.fetch(_OPEN, user_id, OPEN_MAX, OPEN_BYTES_MAX, MOVEMENTS_UNDER_WAY_MAX)
    if not rows:
        return None
    first = rows[0]
    await _wait_for_disk(session, is_durable=first["is_durable"])
    found = [prediction_of(row) for row in rows if row["id"] is not None]
    # Read after the snapshot: a change in between is sent twice, with the same content.
    jobs = tuple(await bulk_jobs.running_of(session, user_id)) if first["has_jobs"] else ()
    return Open(found, first["open_count"], first["balance"], first["held"], first["snapshot"], first["low"] or 0, jobs)


_CAN_RESUME = """
    SELECT $2::bigint <= pg_snapshot_xmax(pg_current_snapshot())::text::bigint AND (
        SELECT count(*) FROM (
            SELECT FROM transactions WHERE user_id = $1 AND id > $3 LIMIT $4 + 1  -- transactions_of_user
        ) AS movements
    ) <= $4
"""


async def can_resume(session: Session, user_id: UUID, position: Position) -> bool:
    """Whether the changes since a position can be told: not too many, and of this very database."""
    return bool(await session.fetchval(_CAN_RESUME, user_id, position.xmax, position.low, BEHIND_MAX))


@dataclass(frozen=True, slots=True)
class Look:
    """A look at many users: which of them have changes, the snapshot of the look, and the last movement it saw."""

    changed: list[UUID]
    snapshot: str
    last_id: int


_LOOK = """
    SELECT pg_current_snapshot()::text AS snapshot,
        pg_current_wal_insert_lsn() <= pg_current_wal_flush_lsn() AS is_durable,
        coalesce((SELECT max(id) FROM transactions), 0) AS last_id,
        ARRAY(
            SELECT u.id FROM unnest($1::uuid[]) AS u (id)
            WHERE EXISTS (
                SELECT FROM transactions AS t  -- transactions_of_user
                WHERE t.user_id = u.id AND t.id > $3 AND NOT is_version_seen(t.xmin, $2::text::pg_snapshot)
            ) OR EXISTS (
                SELECT FROM (
                    SELECT p.xmin FROM predictions AS p  -- predictions_open
                    WHERE p.user_id = u.id AND p.batch_id IS NULL AND p.finished_at IS NULL
                    LIMIT $4
                ) AS open
                WHERE NOT is_version_seen(open.xmin, $2::text::pg_snapshot)
            ) OR EXISTS (
                SELECT FROM (
                    SELECT b.xmin FROM bulk_jobs AS b  -- bulk_jobs_of_user
                    WHERE b.user_id = u.id ORDER BY b.user_id DESC, b.id DESC LIMIT $5
                ) AS job
                WHERE NOT is_version_seen(job.xmin, $2::text::pg_snapshot)
            )
        ) AS changed
"""


async def look(session: Session, user_ids: Sequence[UUID], since: str, low: int) -> Look:
    """Which of these users have changes since a snapshot; of claims, those of a user's first open predictions."""
    row = await session.fetchrow(_LOOK, user_ids, since, low, OPEN_MAX, JOBS_MAX)
    assert row is not None  # noqa: S101  it has no FROM
    await _wait_for_disk(session, is_durable=row["is_durable"])
    return Look(row["changed"], row["snapshot"], row["last_id"])
