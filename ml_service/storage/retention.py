"""Retention in PostgreSQL: partitions are made ahead and dropped, texts are erased. Times are those of the ids."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ml_service.storage.database import Session

STATEMENT_S = 60.0
"""Seconds that dropping a large table, or counting what is unfinished, may take."""

BYTES_TOGETHER = 20_000_000
"""Of texts, as they are stored, that one statement erases: half a second. An answer may have megabytes."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of the table ``predictions``: of those accepted in a span of time.

    Attributes:
        since: None: from the beginning.
        until: None: the default partition, which takes ids of clocks that are wrong.
        bytes: On disk, indexes included.
        open: How many predictions in it are unfinished; one that has any is not dropped.
    """

    name: str
    since: datetime | None
    until: datetime | None
    bytes: int
    open: int


_PARTITIONS = """
    SELECT p.name, time_of(p.from_id) AS since, time_of(p.until_id) AS until, p.bytes, coalesce(o.open, 0) AS open
    FROM prediction_partitions AS p
    LEFT JOIN (
        SELECT tableoid::regclass::text AS name, count(*) AS open
        FROM predictions WHERE finished_at IS NULL GROUP BY tableoid  -- predictions_open
    ) AS o ON o.name = p.name
    ORDER BY p.until_id NULLS LAST
"""


async def partitions(session: Session) -> list[Partition]:
    """The partitions, oldest first, the default one last."""
    return [Partition(**dict(row)) for row in await session.fetch(_PARTITIONS, timeout=STATEMENT_S)]


async def make_partition(session: Session, width: timedelta) -> str | None:
    """Make the table for the next partition; None where partitions reach ``width`` into the future already."""
    name: str | None = await session.fetchval("SELECT make_prediction_partition($1)", width)
    return name


async def attach_partition(session: Session, width: timedelta) -> None:
    """Attach the table that was made; in a transaction of its own, so that no other lock is held meanwhile."""
    await session.execute("SELECT attach_prediction_partition($1)", width)


_DETACH = "SELECT name FROM detach_prediction_partitions(now() - $1::interval) AS name"


async def detach_partitions(session: Session, older_than: timedelta) -> list[str]:
    """Detach the partitions in which everything was accepted longer ago and has ended; returns their names."""
    return [row["name"] for row in await session.fetch(_DETACH, older_than, timeout=STATEMENT_S)]


async def drop_detached(session: Session) -> None:
    """Drop what was detached, now or before a crash."""
    await session.execute("SELECT drop_detached_prediction_partitions()", timeout=STATEMENT_S)


# Goes on where the last call ended. What is unfinished is passed, and noted for `_ERASE_PASSED`. The first row
# is taken, however large it is.
_ERASE = """
    WITH chunk AS MATERIALIZED (
        SELECT p.id, p.finished_at IS NOT NULL AS has_ended
        FROM text_retention AS r
        CROSS JOIN LATERAL (
            SELECT *, sum(pg_column_size(input) + coalesce(pg_column_size(output), 0)) OVER (
                ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS bytes_before
            FROM (
                SELECT id, finished_at, input, output FROM predictions
                WHERE id > r.erased_before AND id < first_id_of(now() - $1::interval)
                ORDER BY id LIMIT $2
            ) AS next
        ) AS p
        WHERE coalesce(p.bytes_before, 0) < $3
    ), erased AS (
        UPDATE predictions AS p SET
            input = 'null', output = CASE WHEN p.output IS NOT NULL THEN 'null'::json END,
            error_message = CASE WHEN p.error_code IS NOT NULL THEN 'The text is no longer kept.' END
        FROM (SELECT id FROM chunk WHERE has_ended ORDER BY id) AS c
        WHERE p.id = c.id AND p.finished_at IS NOT NULL
    ), passed AS (
        INSERT INTO texts_to_erase (prediction_id) SELECT id FROM chunk WHERE NOT has_ended ON CONFLICT DO NOTHING
    ), advanced AS (
        UPDATE text_retention SET erased_before = c.id FROM (SELECT id FROM chunk ORDER BY id DESC LIMIT 1) AS c
    )
    SELECT count(*) FROM chunk
"""
_ERASE_PASSED = """
    WITH chunk AS MATERIALIZED (
        SELECT id, is_gone FROM (
            SELECT *, sum(bytes) OVER (
                ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ) AS bytes_before
            FROM (
                SELECT t.prediction_id AS id, p.id IS NULL AS is_gone,
                    coalesce(pg_column_size(p.input), 0) + coalesce(pg_column_size(p.output), 0) AS bytes
                FROM texts_to_erase AS t LEFT JOIN predictions AS p ON p.id = t.prediction_id
                WHERE p.id IS NULL OR p.finished_at IS NOT NULL
                ORDER BY t.prediction_id LIMIT $1
            ) AS next
        ) AS p
        WHERE coalesce(bytes_before, 0) < $2
    ), erased AS (
        UPDATE predictions AS p SET
            input = 'null', output = CASE WHEN p.output IS NOT NULL THEN 'null'::json END,
            error_message = CASE WHEN p.error_code IS NOT NULL THEN 'The text is no longer kept.' END
        FROM (SELECT id FROM chunk WHERE NOT is_gone ORDER BY id) AS c
        WHERE p.id = c.id AND p.finished_at IS NOT NULL
    )
    DELETE FROM texts_to_erase AS t USING chunk AS c WHERE t.prediction_id = c.id
"""


async def erase_texts(session: Session, older_than: timedelta, limit: int) -> int:
    """Erase inputs, outputs and error messages of ended predictions: of up to ``limit``, and `BYTES_TOGETHER`.

    Returns how many were looked at; 0: everything that is old enough has been erased.
    """
    return int(await session.fetchval(_ERASE, older_than, limit, BYTES_TOGETHER))


async def erase_passed_texts(session: Session, limit: int) -> int:
    """Erase the texts of what was unfinished when `erase_texts` passed it; as that otherwise."""
    tag = await session.execute(_ERASE_PASSED, limit, BYTES_TOGETHER)
    return int(tag.rpartition(" ")[2])
