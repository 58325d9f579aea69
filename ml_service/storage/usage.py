"""What users have used: sums by day, model and API key, and the predictions that are not summed yet.

The background sums predictions in the order of their ids (`sum_some`). What is unfinished then is passed, noted, and
summed once it has ended (`sum_passed`). A user's usage is the sums, what was passed and what is not summed yet; read it
in one snapshot. A day is that of the id, in UTC.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal
from uuid import UUID

from ml_service.storage.database import Session

By = Literal["day", "model", "key"]


@dataclass(frozen=True, slots=True)
class Usage:
    """Predictions of one day, one model or one API key.

    Attributes:
        key_id, key_name: None, by key: asked for without a key. A key without a name is gone with its account.
        failed: Without an answer although nobody canceled them: failed or expired, and free.
        credits: What the succeeded ones cost.
    """

    day: date | None
    model: str | None
    key_id: UUID | None
    key_name: str | None
    predictions: int
    succeeded: int
    failed: int
    credits: int


async def take_snapshot(session: Session) -> None:
    """Let all reads of this transaction see the same moment; call it first in a transaction."""
    await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")


async def summed_before(session: Session) -> UUID:
    """Predictions with smaller ids are in the sums, or noted as passed."""
    found: UUID = await session.fetchval("SELECT summed_before FROM usage_progress")
    return found


_SUMMED = """
    SELECT CASE WHEN $4 = 'day' THEN day END, CASE WHEN $4 = 'model' THEN model END,
        CASE WHEN $4 = 'key' THEN key_id END, NULL, sum(predictions)::bigint, sum(succeeded)::bigint,
        sum(failed)::bigint, sum(credits)::bigint
    FROM usage_sums WHERE user_id = $1 AND day >= $2 AND day < $3
    GROUP BY 1, 2, 3
"""
# The lines of a bulk job have no key of their own (migration 0023); the row of a job by a key is never deleted. Rows
# are grouped by batch first, so that a job is looked up once.
_PASSED = """
    SELECT g.day, g.model, coalesce(g.key_id, b.key_id), NULL, sum(g.predictions)::bigint, sum(g.succeeded)::bigint,
        sum(g.failed)::bigint, sum(g.credits)::bigint
    FROM (
        SELECT CASE WHEN $4 = 'day' THEN (time_of(p.id) AT TIME ZONE 'UTC')::date END AS day,
            CASE WHEN $4 = 'model' THEN p.model END AS model, CASE WHEN $4 = 'key' THEN p.key_id END AS key_id,
            CASE WHEN $4 = 'key' THEN p.batch_id END AS batch_id, count(*) AS predictions,
            count(*) FILTER (WHERE p.status = 'succeeded') AS succeeded,
            count(*) FILTER (WHERE p.status IN ('failed', 'expired')) AS failed,
            coalesce(sum(p.cost) FILTER (WHERE p.status = 'succeeded'), 0) AS credits
        FROM usage_passed AS u JOIN predictions AS p ON p.id = u.prediction_id  -- usage_passed_of_user
        WHERE (u.user_id, u.prediction_id) >= ($1, $2) AND (u.user_id, u.prediction_id) < ($1, $3)
        GROUP BY 1, 2, 3, 4
    ) AS g LEFT JOIN bulk_jobs AS b ON b.id = g.batch_id AND b.user_id = $1
    GROUP BY 1, 2, 3
"""


async def summed(session: Session, user_id: UUID, by: By, first: date, until: date) -> list[Usage]:
    """The sums of a user's days from ``first`` on and before ``until``."""
    return [Usage(*row) for row in await session.fetch(_SUMMED, user_id, first, until, by)]


async def passed(session: Session, user_id: UUID, by: By, from_id: UUID, until_id: UUID) -> list[Usage]:
    """A user's predictions that were unfinished when those around them were summed, and are not summed yet."""
    return [Usage(*row) for row in await session.fetch(_PASSED, user_id, from_id, until_id, by)]


# Both read predictions_of_user within a range of ids. `id` is not compared alone, so that no other index looks as good
# (storage/history.py).
_FIRST = """
    SELECT id FROM predictions WHERE (user_id, id) >= ($1, $2) AND (user_id, id) < ($1, $3) ORDER BY user_id, id LIMIT 1
"""
_NEXT = """
    SELECT id FROM predictions WHERE (user_id, id) >= ($1, $2) AND (user_id, id) < ($1, $3)
    ORDER BY user_id, id OFFSET $4 LIMIT 1
"""
_COUNTED = """
    SELECT g.day, g.model, coalesce(g.key_id, b.key_id), NULL, sum(g.predictions)::bigint, sum(g.succeeded)::bigint,
        sum(g.failed)::bigint, sum(g.credits)::bigint
    FROM (
        SELECT CASE WHEN $4 = 'day' THEN $5::date END AS day, CASE WHEN $4 = 'model' THEN model END AS model,
            CASE WHEN $4 = 'key' THEN key_id END AS key_id, CASE WHEN $4 = 'key' THEN batch_id END AS batch_id,
            count(*) AS predictions,
            count(*) FILTER (WHERE status = 'succeeded') AS succeeded,
            count(*) FILTER (WHERE status IN ('failed', 'expired')) AS failed,
            coalesce(sum(cost) FILTER (WHERE status = 'succeeded'), 0) AS credits
        FROM predictions
        WHERE (user_id, id) >= ($1, $2) AND (user_id, id) < ($1, $3)
        GROUP BY 1, 2, 3, 4
    ) AS g LEFT JOIN bulk_jobs AS b ON b.id = g.batch_id AND b.user_id = $1
    GROUP BY 1, 2, 3
"""


async def first_id(session: Session, user_id: UUID, from_id: UUID, until_id: UUID) -> UUID | None:
    """A user's first prediction of a range of ids; None without any."""
    found: UUID | None = await session.fetchval(_FIRST, user_id, from_id, until_id)
    return found


async def piece_end(session: Session, user_id: UUID, from_id: UUID, until_id: UUID, rows: int) -> UUID | None:
    """The id before which a user has so many predictions from ``from_id`` on; None where they have no more."""
    found: UUID | None = await session.fetchval(_NEXT, user_id, from_id, until_id, rows)
    return found


async def counted(session: Session, user_id: UUID, by: By, from_id: UUID, until_id: UUID, day: date) -> list[Usage]:
    """A user's predictions of a range of ids, all of ``day``."""
    return [Usage(*row) for row in await session.fetch(_COUNTED, user_id, from_id, until_id, by, day)]


async def key_names(session: Session, ids: list[UUID]) -> dict[UUID | None, str]:
    """The names of API keys; those that are gone with their account have none."""
    rows = await session.fetch("SELECT id, name FROM api_keys WHERE id = ANY ($1)", ids)
    return {row["id"]: row["name"] for row in rows}


async def progress_for_update(session: Session) -> UUID:
    """As `summed_before`, locked until the commit: what is summed once is never summed twice."""
    found: UUID = await session.fetchval("SELECT summed_before FROM usage_progress FOR UPDATE")
    return found


_FIRST_OF_ALL = """
    SELECT id, (time_of(id) AT TIME ZONE 'UTC')::date AS day, least(
        $2::uuid, first_id_of((date_trunc('day', time_of(id) AT TIME ZONE 'UTC') + interval '1 day') AT TIME ZONE 'UTC')
    ) AS until_id
    FROM (SELECT id FROM predictions WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 1) AS first  -- the primary key
"""
_SUM = """
    WITH piece AS MATERIALIZED (
        SELECT p.user_id, p.id, p.model, coalesce(p.key_id, b.key_id) AS key_id, p.status, p.cost, p.finished_at
        FROM predictions AS p LEFT JOIN bulk_jobs AS b ON b.id = p.batch_id WHERE p.id >= $1 AND p.id < $2
    ), passed AS (
        INSERT INTO usage_passed (prediction_id, user_id) SELECT id, user_id FROM piece WHERE finished_at IS NULL
    ), advanced AS (
        UPDATE usage_progress SET summed_before = greatest(summed_before, $2)
    ), summed AS (
        INSERT INTO usage_sums AS s (user_id, day, model, key_id, predictions, succeeded, failed, credits)
        SELECT user_id, $3, model, key_id, count(*), count(*) FILTER (WHERE status = 'succeeded'),
            count(*) FILTER (WHERE status IN ('failed', 'expired')),
            coalesce(sum(cost) FILTER (WHERE status = 'succeeded'), 0)
        FROM piece WHERE finished_at IS NOT NULL
        GROUP BY user_id, model, key_id
        ON CONFLICT (user_id, day, model, key_id) DO UPDATE SET
            predictions = s.predictions + excluded.predictions, succeeded = s.succeeded + excluded.succeeded,
            failed = s.failed + excluded.failed, credits = s.credits + excluded.credits
    )
    SELECT count(*) FROM piece
"""


async def first_id_before(session: Session, age: timedelta) -> UUID:
    """Predictions that are older than ``age`` have smaller ids than this."""
    found: UUID = await session.fetchval("SELECT first_id_of(now() - $1::interval)", age)
    return found


async def sum_some(session: Session, until_id: UUID, rows_max: int) -> int:
    """Sum the next predictions before ``until_id``, at most so many and of one day.

    Call it in a transaction, with an id before which nothing is accepted any more.

    Returns:
        How many; 0: everything before it has been summed.
    """
    start = await progress_for_update(session)
    first = await session.fetchrow(_FIRST_OF_ALL, start, until_id)
    if first is None:
        await session.execute("UPDATE usage_progress SET summed_before = greatest(summed_before, $1)", until_id)
        return 0
    end: UUID | None = await session.fetchval(
        "SELECT id FROM predictions WHERE id >= $1 AND id < $2 ORDER BY id OFFSET $3 LIMIT 1",
        first["id"],
        first["until_id"],
        rows_max,
    )
    return int(await session.fetchval(_SUM, first["id"], end or first["until_id"], first["day"]))


# A page of what was passed, by id: most of it may still be unfinished, and must not be looked at all at once.
_SUM_PASSED = """
    WITH page AS MATERIALIZED (
        SELECT prediction_id, user_id FROM usage_passed WHERE prediction_id > $1 ORDER BY prediction_id LIMIT $2
    ), ended AS MATERIALIZED (
        SELECT u.prediction_id, u.user_id, p.id IS NULL AS is_gone, p.model, coalesce(p.key_id, b.key_id) AS key_id,
            p.status, p.cost
        FROM page AS u LEFT JOIN predictions AS p ON p.id = u.prediction_id
            LEFT JOIN bulk_jobs AS b ON b.id = p.batch_id
        WHERE p.id IS NULL OR p.finished_at IS NOT NULL
    ), forgotten AS (
        DELETE FROM usage_passed AS u USING ended AS e WHERE u.prediction_id = e.prediction_id
    ), summed AS (
        INSERT INTO usage_sums AS s (user_id, day, model, key_id, predictions, succeeded, failed, credits)
        SELECT user_id, (time_of(prediction_id) AT TIME ZONE 'UTC')::date AS day, model, key_id, count(*),
            count(*) FILTER (WHERE status = 'succeeded'), count(*) FILTER (WHERE status IN ('failed', 'expired')),
            coalesce(sum(cost) FILTER (WHERE status = 'succeeded'), 0)
        FROM ended WHERE NOT is_gone
        GROUP BY user_id, day, model, key_id
        ON CONFLICT (user_id, day, model, key_id) DO UPDATE SET
            predictions = s.predictions + excluded.predictions, succeeded = s.succeeded + excluded.succeeded,
            failed = s.failed + excluded.failed, credits = s.credits + excluded.credits
    )
    SELECT (SELECT count(*) FROM ended),
        (SELECT prediction_id FROM page ORDER BY prediction_id OFFSET $2 - 1 LIMIT 1)
"""


async def sum_passed(session: Session, after_id: UUID, rows_max: int) -> tuple[int, UUID | None]:
    """Sum what has ended among the next predictions that were passed, at most so many.

    Call it in a transaction.

    Returns:
        How many were summed, and the id after which the next page begins; None: this was the last.
    """
    await progress_for_update(session)
    row = await session.fetchrow(_SUM_PASSED, after_id, rows_max)
    return (0, None) if row is None else (int(row[0]), row[1])


# Of all users: an index-only scan of the primary key, by usage_sums_of_day, and by the primary key of usage_passed.
_MISSING = """
    SELECT (SELECT count(*) FROM predictions WHERE id >= $1 AND id < $2)
        - (SELECT coalesce(sum(predictions), 0) FROM usage_sums WHERE day = $3)
        - (SELECT count(*) FROM usage_passed WHERE prediction_id >= $1 AND prediction_id < $2)
"""
_IS_CUT = """
    SELECT NOT EXISTS (
        SELECT FROM prediction_partitions WHERE until_id IS NOT NULL AND coalesce(from_id <= $1, true)
    )
"""
"""Whether retention may have dropped a part of the day that begins here: its sums are all that is left of it."""
_FORGET_DAY = """
    WITH forgotten AS (
        DELETE FROM usage_passed WHERE prediction_id >= $1 AND prediction_id < $2
    )
    DELETE FROM usage_sums WHERE day = $3
"""


CHECK_S_MAX = 60.0
"""Seconds that counting a day, or summing it again, may take: a second or two for each million predictions."""


async def sum_again_if_missing(session: Session, day: date, from_id: UUID, until_id: UUID) -> int:
    """Sum a day again if its predictions are more than its sums say: some came after it was summed.

    Args:
        session: From `Database.begin(CHECK_S_MAX)`.

    Returns:
        How many were missing; 0 also where not all of the day has been summed yet, or is there no more.
    """
    await session.execute("SET LOCAL statement_timeout = 0")
    if await progress_for_update(session) < until_id or await session.fetchval(_IS_CUT, from_id):
        return 0
    missing = int(await session.fetchval(_MISSING, from_id, until_id, day, timeout=CHECK_S_MAX))
    if missing <= 0:
        return 0
    await session.execute(_FORGET_DAY, from_id, until_id, day, timeout=CHECK_S_MAX)
    await session.execute(_SUM, from_id, until_id, day, timeout=CHECK_S_MAX)
    return missing
