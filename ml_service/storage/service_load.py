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
"""Predictions that are looked at for them; of more releases, the share of failures among these tells of all."""
SERIES_READ_MAX = 180_000
"""Predictions that are read for a series; of more, an equal share for each part of a step tells of the rest."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The unfinished predictions of one version of a model; ``oldest_at`` is of a queued one."""

    model: str
    version: str
    queued: int
    processing: int
    oldest_at: datetime | None
    oldest_wait_s: float | None


@dataclass(frozen=True, slots=True)
class WaitingUser:
    """A user's unfinished predictions."""

    user_id: UUID
    username: str
    queued: int
    processing: int


@dataclass(frozen=True, slots=True)
class OpenWork:
    """What is unfinished: by the version of a model, the longest queue first, and of those who have the most queued."""

    by_version: list[Waiting]
    by_user: list[WaitingUser]


# Both groupings come of one read.
_OPEN = """
    WITH open AS MATERIALIZED (
        SELECT user_id, model, version, count(*) FILTER (WHERE status = 'queued') AS queued,
            count(*) FILTER (WHERE status = 'processing') AS processing,
            min(created_at) FILTER (WHERE status = 'queued') AS oldest_at
        FROM (
            SELECT user_id, model, version, status, created_at FROM predictions  -- predictions_open
            WHERE finished_at IS NULL LIMIT $1
        ) AS read
        GROUP BY GROUPING SETS ((model, version), (user_id))
    )
    SELECT model, version, NULL::uuid AS user_id, NULL AS username, queued, processing, oldest_at,
        extract(epoch FROM now() - oldest_at)::float8 AS oldest_wait_s
    FROM open WHERE user_id IS NULL
    UNION ALL
    SELECT NULL, NULL, busy.user_id, u.username, busy.queued, busy.processing, NULL, NULL
    FROM (
        SELECT user_id, queued, processing FROM open WHERE user_id IS NOT NULL
        ORDER BY queued DESC, processing DESC, user_id LIMIT $2
    ) AS busy
    JOIN users AS u ON u.id = busy.user_id
    ORDER BY queued DESC, processing DESC, model, version, user_id
"""


async def open_work(session: Session, users_max: int) -> OpenWork:
    """What is unfinished; ``users_max`` is how many users are named."""
    rows = await session.fetch(_OPEN, OPEN_READ_MAX, users_max)
    return OpenWork(
        [
            Waiting(*(row[name] for name in ("model", "version", "queued", "processing", "oldest_at", "oldest_wait_s")))
            for row in rows
            if row["user_id"] is None
        ],
        [
            WaitingUser(*(row[name] for name in ("user_id", "username", "queued", "processing")))
            for row in rows
            if row["user_id"] is not None
        ],
    )


@dataclass(frozen=True, slots=True)
class RecentWork:
    """What was done lately.

    Attributes:
        per_minute: Predictions that ended within a minute, but for canceled ones, which nobody has worked on.
        failed_per_minute: Those that failed or expired; an estimate where more than `ENDS_READ_MAX` gave credits back.
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
        WHERE id > (SELECT id FROM bound) AND kind IN ('capture', 'release')
            AND prediction_id IS NOT NULL  -- bulk jobs release what they held, too
        ORDER BY id DESC LIMIT $2
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
        SELECT round(count(*) FILTER (WHERE p.status IN ('failed', 'expired')) * max(r.number)::float8
            / greatest(1, count(*))) AS number
        FROM (
            SELECT prediction_id, count(*) OVER () AS number FROM ended WHERE kind = 'release' LIMIT $3
        ) AS r
        LEFT JOIN predictions AS p ON p.id = r.prediction_id
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
    SELECT ((SELECT count(*) FROM ended WHERE kind = 'capture') + coalesce(f.number, 0)) * 60 / s.seconds AS per_minute,
        coalesce(f.number, 0) * 60 / s.seconds AS failed_per_minute, a.percentiles
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
    canceled: int
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
        coalesce(sum(p.weight) FILTER (WHERE p.status = 'canceled'), 0) AS canceled,
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


# A burst would make the newest of its minute tell of far too many, so that all are read where they are few enough.
_FIT = """
    SELECT count(*) <= $3 FROM (
        SELECT FROM predictions WHERE id >= first_id_of(date_bin($2::interval, now() - $1::interval, 'epoch') + $2)
        LIMIT $3 + 1
    ) AS wanted
"""


async def series(
    session: Session, length: timedelta, step: timedelta, *, parts: int = 1, model: str | None = None
) -> list[Step]:
    """The last time in steps, the earliest first; the last step is still going on.

    Args:
        parts: Into how many each step is divided to be read.
        model: None: all of them.
    """
    share = SERIES_READ_MAX
    if not await session.fetchval(_FIT, length, step, SERIES_READ_MAX):
        share //= -(-length // step) * parts
    rows = await session.fetch(_SERIES, length, step, max(1, share), parts, model)
    return [
        Step(
            row["at"],
            *(round(row[name]) for name in ("accepted", "succeeded", "failed", "canceled", "credits")),
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
