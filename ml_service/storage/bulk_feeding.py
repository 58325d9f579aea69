"""Feeding bulk jobs: the next chunk of lines becomes predictions, chunks that have ended are counted, jobs finish.

Each call may be lost in a crash of the server: then it is done again (`Database.connect(durable=False)`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from ml_service.domain.bulk import BulkJob
from ml_service.storage.bulk_jobs import COLUMNS, job_of
from ml_service.storage.database import Session


@dataclass(frozen=True, slots=True)
class FeedJob:
    """An unfinished job as the bulk feeder sees it.

    Attributes:
        fed: Lines that are predictions and have not been counted as ended.
        is_stopped: Canceled or failed: nothing more is fed.
        is_all_fed: No chunk is left to be fed.
        is_canceled: What it has open is to be canceled, too.
        is_parked: No worker serves its version now: its lines would wait beside the queue (storage/model_versions.py).
    """

    id: UUID
    user_id: UUID
    pool: str
    model: str
    version: str
    chunks_fed: int
    fed: int
    is_stopped: bool
    is_all_fed: bool
    is_canceled: bool
    is_parked: bool


_UNFINISHED = """
    SELECT b.id, b.user_id, coalesce(v.spec ->> 'pool', b.pool) AS pool, b.model, b.version, b.chunks_fed,
        greatest(0, b.lines - b.lines_invalid - b.waiting - b.succeeded - b.failed - b.canceled) AS fed,
        b.status <> 'running' AS is_stopped, b.status = 'canceled' AS is_canceled,
        b.chunks_fed = b.chunks AS is_all_fed, coalesce(v.parked_at <= now(), false) AS is_parked
    FROM bulk_jobs AS b  -- bulk_jobs_open
    LEFT JOIN model_versions AS v ON v.name = b.model AND v.version = b.version
    WHERE b.finished_at IS NULL AND b.status <> 'receiving'
    ORDER BY b.id LIMIT $1
"""


async def unfinished(session: Session, limit: int) -> list[FeedJob]:
    """The jobs that run or come to an end, the oldest first."""
    return [FeedJob(**dict(row)) for row in await session.fetch(_UNFINISHED, limit)]


async def errors_of(session: Session, bulk_id: UUID, number: int) -> tuple[int, list[str | None] | None] | None:
    """How many lines a chunk has, and which are not valid (None: all are)."""
    row = await session.fetchrow(
        "SELECT cardinality(lines) AS lines, errors FROM bulk_chunks WHERE bulk_id = $1 AND number = $2",
        bulk_id,
        number,
    )
    return None if row is None else (row["lines"], row["errors"])


# The price of these lines leaves the job and is held by the predictions: for the wallet this is nothing, so that no
# user's row is touched. The update of the job's row comes first, and only one feeder has it.
_FEED_CHUNK = """
    WITH job AS (
        UPDATE bulk_jobs AS b SET chunks_fed = chunks_fed + 1, waiting = b.waiting - c.valid
        FROM bulk_chunks AS c
        WHERE b.id = $1 AND b.status = 'running' AND b.chunks_fed = $2 AND c.bulk_id = $1 AND c.number = $2
        RETURNING b.id, b.user_id, b.source, b.model, b.version, b.price_credits, c.valid, c.inputs,
            coalesce((  -- where the version is served now
                SELECT v.spec ->> 'pool' FROM model_versions AS v WHERE v.name = b.model AND v.version = b.version
            ), b.pool) AS pool
    ), chunk AS (
        UPDATE bulk_chunks AS c SET prediction_ids = $3, first_id = $4, last_id = $5, inputs = NULL
        FROM job WHERE c.bulk_id = job.id AND c.number = $2 AND job.valid > 0
    ), line AS MATERIALIZED (
        SELECT l.id, l.input FROM job CROSS JOIN LATERAL unnest($3::uuid[], job.inputs) AS l (id, input)
        WHERE l.input IS NOT NULL
    ), moved AS (
        INSERT INTO transactions (user_id, kind, amount, bulk_id, actor_kind, actor_id)
        SELECT user_id, 'release', price_credits * valid, id, 'system', 'feeder' FROM job WHERE valid > 0
    ), held AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)
        SELECT job.user_id, 'hold', job.price_credits, line.id, 'system', 'feeder'
        FROM line CROSS JOIN job ORDER BY line.id
    ), inserted AS (
        INSERT INTO predictions (id, user_id, model, version, source, cost, batch_id, input)
        SELECT line.id, job.user_id, job.model, job.version, job.source, job.price_credits, job.id, line.input::json
        FROM line CROSS JOIN job ORDER BY line.id
    ), batched AS (  -- so that the history finds and shows them together
        INSERT INTO batches AS k (id, user_id, source, size, cost, first_id, last_id)
        SELECT id, user_id, source, valid, price_credits * valid, $4, $5 FROM job WHERE valid > 0
        ON CONFLICT (id) DO UPDATE SET size = k.size + excluded.size, cost = k.cost + excluded.cost,
            first_id = least(k.first_id, excluded.first_id), last_id = greatest(k.last_id, excluded.last_id)
    ), unsent AS (
        INSERT INTO outbox (prediction_id, user_id, pool, model, version, bulk)
        SELECT line.id, job.user_id, job.pool, job.model, job.version, true
        FROM line CROSS JOIN job ORDER BY line.id
    )
    SELECT valid FROM job
"""


async def feed(session: Session, bulk_id: UUID, number: int, ids: Sequence[UUID | None]) -> int | None:
    """Make predictions of a job's next chunk; None where it is not its turn any more.

    Args:
        ids: For each line of the chunk, None for those that are not valid.
    """
    valid = [one for one in ids if one is not None]
    first, last = (valid[0], valid[-1]) if valid else (None, None)
    found: int | None = await session.fetchval(_FEED_CHUNK, bulk_id, number, ids, first, last)
    return found


# A chunk has ended when none of its predictions is open. Its ids were made in one go: there is little else between the
# first and the last. OFFSET keeps the check from becoming a join with all that is open of the job.
_SETTLE = """
    WITH target AS MATERIALIZED (
        SELECT c.number, c.first_id, c.last_id FROM bulk_chunks AS c  -- bulk_chunks_open
        WHERE c.bulk_id = $1 AND NOT c.is_settled AND c.number < $3 AND NOT EXISTS (
            SELECT FROM predictions AS p  -- predictions_open
            WHERE p.user_id = $2 AND p.batch_id = $1 AND p.finished_at IS NULL AND p.id BETWEEN c.first_id AND c.last_id
            OFFSET 0
        )
        ORDER BY c.number LIMIT $4
        FOR NO KEY UPDATE SKIP LOCKED
    ), ended AS MATERIALIZED (
        SELECT count(*) FILTER (WHERE p.status = 'succeeded') AS succeeded,
            count(*) FILTER (WHERE p.status IN ('failed', 'expired')) AS failed,
            count(*) FILTER (WHERE p.status = 'canceled') AS canceled
        FROM target AS t JOIN predictions AS p ON p.id BETWEEN t.first_id AND t.last_id AND p.batch_id = $1
    ), settled AS (
        UPDATE bulk_chunks AS c SET is_settled = true FROM target AS t WHERE c.bulk_id = $1 AND c.number = t.number
    ), counted AS (
        UPDATE bulk_jobs AS b SET
            succeeded = b.succeeded + e.succeeded, failed = b.failed + e.failed, canceled = b.canceled + e.canceled,
            partial_succeeded = greatest(0, b.partial_succeeded - e.succeeded),
            partial_failed = greatest(0, b.partial_failed - e.failed)
        FROM ended AS e WHERE b.id = $1 AND EXISTS (SELECT FROM target)
        RETURNING b.key_id, b.started_at, b.price_credits * (e.failed + e.canceled) AS released
    )
    SELECT count(*), give_back_to_keys(  -- what was released: to the day on which the job held it
        (SELECT array_agg((key_id, started_at, released)::held_by_key) FROM counted
         WHERE key_id IS NOT NULL AND released > 0)
    ) FROM target
"""


async def settle(session: Session, job: FeedJob, limit: int) -> int:
    """Count up to ``limit`` chunks that have ended; returns how many."""
    return int(await session.fetchval(_SETTLE, job.id, job.user_id, job.chunks_fed, limit))


# So that a slow model's progress is seen line by line, not chunk by chunk. What another feeder has just settled is not
# counted twice: where the job's row was waited for, ``seen`` is the row of before.
_COUNT = """
    UPDATE bulk_jobs AS b SET partial_succeeded = e.succeeded, partial_failed = e.failed
    FROM (
        SELECT count(*) FILTER (WHERE p.status = 'succeeded') AS succeeded,
            count(*) FILTER (WHERE p.status IN ('failed', 'expired')) AS failed
        FROM (
            SELECT c.prediction_ids FROM bulk_chunks AS c  -- bulk_chunks_open
            WHERE c.bulk_id = $1 AND NOT c.is_settled AND c.prediction_ids IS NOT NULL
            ORDER BY c.number LIMIT $2
        ) AS open
        CROSS JOIN LATERAL unnest(open.prediction_ids) AS one (id) JOIN predictions AS p ON p.id = one.id
    ) AS e, bulk_jobs AS seen
    WHERE b.id = $1 AND b.finished_at IS NULL AND seen.id = $1
        AND (b.succeeded, b.failed, b.canceled) = (seen.succeeded, seen.failed, seen.canceled)
        AND (b.partial_succeeded, b.partial_failed) <> (e.succeeded, e.failed)
"""


async def count_partial(session: Session, bulk_id: UUID, chunks: int) -> None:
    """Count what has ended of the first ``chunks`` chunks that have not."""
    await session.execute(_COUNT, bulk_id, chunks)


_FINISH = f"""
    UPDATE bulk_jobs AS b SET
        status = CASE WHEN status = 'running' THEN 'finished' ELSE status END, finished_at = now(),
        partial_succeeded = 0, partial_failed = 0
    WHERE id = $1 AND finished_at IS NULL AND waiting = 0 AND status <> 'receiving'
        AND (status <> 'running' OR chunks_fed = chunks)
        AND NOT EXISTS (
            SELECT FROM bulk_chunks AS c WHERE c.bulk_id = b.id AND NOT c.is_settled AND c.number < b.chunks_fed
        )
    RETURNING {COLUMNS}
"""  # noqa: S608  the columns are ours
_FORGET_INPUTS = """
    UPDATE bulk_chunks AS c SET inputs = NULL, is_settled = true
    FROM (
        SELECT c.bulk_id, c.number FROM bulk_chunks AS c JOIN bulk_jobs AS b ON b.id = c.bulk_id
        WHERE c.bulk_id = $1 AND NOT c.is_settled AND b.status IN ('canceled', 'failed') AND c.number >= b.chunks_fed
        ORDER BY c.number LIMIT $2
    ) AS part
    WHERE c.bulk_id = part.bulk_id AND c.number = part.number
"""


async def forget_inputs(session: Session, bulk_id: UUID, limit: int) -> bool:
    """Forget the inputs of up to ``limit`` chunks that a stopped job will never feed; False: call it again."""
    tag = await session.execute(_FORGET_INPUTS, bulk_id, limit)
    return int(tag.rpartition(" ")[2]) < limit


async def finish(session: Session, bulk_id: UUID) -> BulkJob | None:
    """End a job whose lines have all ended; None where they have not."""
    row = await session.fetchrow(_FINISH, bulk_id)
    return None if row is None else job_of(row)


# `served_at` leaves out the time without a leader only once the version watch has looked (model_versions.py).
_GONE = """
    SELECT b.id FROM bulk_jobs AS b  -- bulk_jobs_open
    LEFT JOIN model_versions AS v ON v.name = b.model AND v.version = b.version
    WHERE b.finished_at IS NULL AND b.status = 'running' AND b.started_at < now() - $1 * interval '1 second'
        AND (
            v.served_at IS NULL
            OR v.served_at < now() - $1 * interval '1 second' AND v.watched_at > now() - $2 * interval '1 second'
        )
    ORDER BY b.id LIMIT 100
"""


async def of_gone_versions(session: Session, gone_s: float, *, gap_s: float) -> list[UUID]:
    """Running jobs whose version no worker has served for so long, as was seen at most ``gap_s`` seconds ago."""
    return [row["id"] for row in await session.fetch(_GONE, gone_s, gap_s)]
