"""Open and finished work of the whole service: bounded reads of the newest and the unfinished predictions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from ml_service.storage.database import Session

OPEN_READ_MAX = 200_000
"""Unfinished predictions that are read; beyond it the numbers are of so many of them."""
LEDGER_READ_MAX = 100_000
"""Of the newest rows of the ledger, for what ends in a minute: holds of a large batch may stand among them."""
NEWEST_READ_MAX = 20_000
"""Predictions that ended, of those rows."""
ENDS_READ_MAX = 2000
"""Predictions that are looked at for them."""
SERIES_READ_MAX = 180_000
"""Predictions that are read for a series, an equal share for each part of a step; beyond it the rest is estimated."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The unfinished predictions of one version of a model; ``oldest_at`` is of a queued one."""

    model: str
    version: str
    queued: int
    processing: int
    oldest_at: datetime | None
    oldest_wait_s: float | None


_WAITING = """
    SELECT model, version, count(*) FILTER (WHERE status = 'queued') AS queued,
        count(*) FILTER (WHERE status = 'processing') AS processing,
        min(created_at) FILTER (WHERE status = 'queued') AS oldest_at,
        extract(epoch FROM now() - min(created_at) FILTER (WHERE status = 'queued'))::float8 AS oldest_wait_s
    FROM (
        SELECT model, version, status, created_at FROM predictions  -- predictions_open
        WHERE finished_at IS NULL LIMIT $1
    ) AS open
    GROUP BY model, version ORDER BY queued DESC, model, version
"""


async def waiting(session: Session) -> list[Waiting]:
    """What is unfinished, by the version of a model, the longest queue first."""
    return [Waiting(*row) for row in await session.fetch(_WAITING, OPEN_READ_MAX)]


@dataclass(frozen=True, slots=True)
class WaitingUser:
    """A user's unfinished predictions."""

    user_id: UUID
    username: str
    queued: int
    processing: int


_WAITING_USERS = """
    SELECT w.user_id, u.username, w.queued, w.processing
    FROM (
        SELECT user_id, count(*) FILTER (WHERE status = 'queued') AS queued,
            count(*) FILTER (WHERE status = 'processing') AS processing
        FROM (SELECT user_id, status FROM predictions WHERE finished_at IS NULL LIMIT $1) AS open  -- predictions_open
        GROUP BY user_id ORDER BY queued DESC, processing DESC, user_id LIMIT $2
    ) AS w
    JOIN users AS u ON u.id = w.user_id
    ORDER BY w.queued DESC, w.processing DESC, w.user_id
"""


async def waiting_users(session: Session, limit: int) -> list[WaitingUser]:
    """Whose predictions are unfinished: so many users, who has the most queued ones first."""
    return [WaitingUser(*row) for row in await session.fetch(_WAITING_USERS, OPEN_READ_MAX, limit)]


@dataclass(frozen=True, slots=True)
class RecentWork:
    """What was done lately.

    Attributes:
        per_minute: Predictions that ended within a minute, whatever became of them; ``failed_per_minute`` failed.
        p50_ms, p95_ms, p99_ms: From the request to the answer, of single requests; None without an answer.
    """

    per_minute: float
    failed_per_minute: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


# The ledger's rows are in the order in which predictions end, whenever they were accepted. Of the last minute, or of
# less where the rows that are read do not reach back that far.
_PACE = """
    WITH bound AS MATERIALIZED (
        SELECT coalesce(max(id), 0) - $1::bigint AS id FROM transactions
    ), newest AS MATERIALIZED (
        SELECT kind, prediction_id, created_at FROM transactions  -- the primary key, read backwards
        WHERE id > (SELECT id FROM bound) AND kind IN ('capture', 'release') ORDER BY id DESC LIMIT $2
    ), span AS MATERIALIZED (
        SELECT greatest(1, least(60, extract(epoch FROM now() - CASE
            WHEN (SELECT count(*) FROM newest) = $2 THEN (SELECT min(created_at) FROM newest)
            WHEN b.id > 0 THEN (SELECT t.created_at FROM transactions AS t WHERE t.id > b.id ORDER BY t.id LIMIT 1)
        END)))::float8 AS seconds
        FROM bound AS b
    ), ended AS MATERIALIZED (
        SELECT n.kind, n.prediction_id FROM newest AS n CROSS JOIN span AS s
        WHERE n.created_at > now() - s.seconds * interval '1 second'
    ), failed AS (
        SELECT count(*) AS number
        FROM (SELECT prediction_id FROM ended WHERE kind = 'release' LIMIT $3) AS released
        JOIN predictions AS p ON p.id = released.prediction_id
        WHERE p.status IN ('failed', 'expired')
    ), answered AS (
        SELECT percentile_cont('{0.5,0.95,0.99}'::float8[])
            WITHIN GROUP (ORDER BY (extract(epoch FROM p.finished_at - p.created_at) * 1000)::float8) AS percentiles
        FROM (
            SELECT prediction_id FROM newest
            WHERE kind = 'capture' AND created_at > now() - interval '10 minutes' LIMIT $3
        ) AS captured
        JOIN predictions AS p ON p.id = captured.prediction_id
        WHERE p.status = 'succeeded' AND p.batch_id IS NULL
    )
    SELECT (SELECT count(*) FROM ended) * 60 / s.seconds AS per_minute, f.number * 60 / s.seconds AS failed_per_minute,
        a.percentiles
    FROM span AS s CROSS JOIN failed AS f CROSS JOIN answered AS a
"""


async def pace(session: Session) -> RecentWork:
    """What was done in the last minute, and how long the newest answers of the last ten took."""
    row = await session.fetchrow(_PACE, LEDGER_READ_MAX, NEWEST_READ_MAX, ENDS_READ_MAX)
    assert row is not None  # noqa: S101  an aggregate always returns one row
    return RecentWork(row["per_minute"], row["failed_per_minute"], *(row["percentiles"] or (None, None, None)))


@dataclass(frozen=True, slots=True)
class Step:
    """What was accepted in one step of a series, and what has become of it so far; times as in `RecentWork`.

    Attributes:
        credits: What the succeeded ones cost.
    """

    at: datetime
    accepted: int
    succeeded: int
    failed: int
    credits: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


# Each step is read in parts, each from its own range of ids, which is a range of time. Of a part with more rows than
# are read, the newest are; they tell how many there are in the rest of it. A day has a part for each hour, for no
# moment of a day tells about all of it.
_SERIES = """
    WITH part AS MATERIALIZED (
        SELECT step.at AS step_at, step.at + $2::interval * n / $4::int AS at,
            least(now(), step.at + $2::interval * (n + 1) / $4::int) AS until,
            step.at + $2::interval * (n + 1) / $4::int AS ends_at
        FROM generate_series(date_bin($2::interval, now() - $1::interval, 'epoch') + $2, now(), $2) AS step (at)
        CROSS JOIN generate_series(0, $4::int - 1) AS n
        WHERE step.at + $2::interval * n / $4::int <= now()
    )
    SELECT part.step_at AS at,
        coalesce(sum(p.weight), 0) AS accepted,
        coalesce(sum(p.weight) FILTER (WHERE p.status = 'succeeded'), 0) AS succeeded,
        coalesce(sum(p.weight) FILTER (WHERE p.status IN ('failed', 'expired')), 0) AS failed,
        coalesce(sum(p.weight * p.cost) FILTER (WHERE p.status = 'succeeded'), 0) AS credits,
        percentile_cont('{0.5,0.95,0.99}'::float8[])
            WITHIN GROUP (ORDER BY (extract(epoch FROM p.finished_at - p.created_at) * 1000)::float8)
            FILTER (WHERE p.status = 'succeeded' AND p.batch_id IS NULL) AS percentiles
    FROM part LEFT JOIN LATERAL (
        SELECT model, status, cost, batch_id, created_at, finished_at,
            CASE WHEN count(*) OVER () < $3 THEN 1 ELSE greatest(1,
                extract(epoch FROM part.until - part.at)
                    / greatest(0.001, extract(epoch FROM part.until - min(created_at) OVER ()))
            ) END::float8 AS weight
        FROM (
            SELECT model, status, cost, batch_id, created_at, finished_at FROM predictions
            WHERE id >= first_id_of(part.at) AND id < first_id_of(part.ends_at) ORDER BY id DESC LIMIT $3
        ) AS newest
    ) AS p ON $5::text IS NULL OR p.model = $5
    GROUP BY part.step_at ORDER BY part.step_at
"""


async def series(
    session: Session, length: timedelta, step: timedelta, *, parts: int = 1, model: str | None = None
) -> list[Step]:
    """The last time in steps, the earliest first; the last step is still going on.

    Args:
        parts: Into how many each step is divided to be read.
        model: None: all of them.
    """
    share = SERIES_READ_MAX // (-(-length // step) * parts)
    rows = await session.fetch(_SERIES, length, step, max(1, share), parts, model)
    return [
        Step(
            row["at"],
            *(round(row[name]) for name in ("accepted", "succeeded", "failed", "credits")),
            *(row["percentiles"] or (None, None, None)),
        )
        for row in rows
    ]


_UNSERVED_SINCE = """
    SELECT m.name, v.version, v.served_at FROM models AS m
    JOIN model_versions AS v ON v.name = m.name AND v.version = m.default_version
    WHERE m.is_enabled AND NOT EXISTS (
        SELECT FROM workers AS w WHERE w.lease_until > now() AND v.name || '@' || v.version = ANY (w.models)
    )
    ORDER BY m.name
"""


async def unserved_since(session: Session) -> dict[str, datetime]:
    """The models whose default version no live worker serves, with when one last did."""
    return {row["name"]: row["served_at"] for row in await session.fetch(_UNSERVED_SINCE)}
