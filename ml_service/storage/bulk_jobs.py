"""Bulk jobs in PostgreSQL: received in chunks, started with one hold over all lines, stopped, deleted.

What becomes of a job that runs is in bulk_feeding.py, what became of its lines in bulk_results.py.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ml_service.domain.bulk import BulkJob, BulkStatus, Chunk
from ml_service.domain.ledger import Actor, ActorKind
from ml_service.domain.predictions import Source
from ml_service.domain.submissions import Decision
from ml_service.storage.database import Session

COLUMNS = """
    b.id, b.user_id, b.source, b.model, b.version, b.price_credits, b.status, b.lines, b.lines_invalid, b.waiting,
    b.succeeded + b.partial_succeeded AS succeeded, b.failed + b.partial_failed AS failed, b.canceled,
    b.error_code, b.created_at, b.started_at, b.finished_at, now() AS now
"""
"""Of ``bulk_jobs AS b``, as `job_of` reads them."""


def job_of(row: Any) -> BulkJob:
    """Make a BulkJob of a row that has `COLUMNS`."""
    values = dict(row)
    return BulkJob(**{**values, "source": Source(values["source"]), "status": BulkStatus(values["status"])})


_LOCK_USER = "SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE"
# Uploads that begin at once wait for each other at the user's row, and the next statement counts the others' jobs.
_CREATE = """
    INSERT INTO bulk_jobs (id, user_id, source, model, version, pool, price_credits)
    SELECT $1, $2, $3, $4, $5, $6, $7
    WHERE $8 > (
        SELECT count(*) FROM bulk_jobs WHERE user_id = $2 AND finished_at IS NULL  -- bulk_jobs_open
    )
"""


async def create(
    session: Session,
    bulk_id: UUID,
    user_id: UUID,
    source: Source,
    *,
    model: str,
    version: str,
    pool: str,
    price_credits: int,
    open_max: int,
) -> bool:
    """Begin to receive a job; False where the user has ``open_max`` unfinished ones. Call it in a transaction."""
    await session.execute(_LOCK_USER, user_id)
    tag = await session.execute(_CREATE, bulk_id, user_id, source, model, version, pool, price_credits, open_max)
    return bool(tag == "INSERT 0 1")


_ADD_CHUNK = """
    WITH job AS (
        UPDATE bulk_jobs SET
            lines = lines + cardinality($3::int[]), lines_invalid = lines_invalid + cardinality($3::int[]) - $4,
            waiting = waiting + $4, chunks = chunks + 1, seen_at = now()
        WHERE id = $1 AND status = 'receiving' AND chunks = $2
        RETURNING id
    )
    INSERT INTO bulk_chunks (bulk_id, number, lines, valid, refs, errors, inputs, is_settled)
    SELECT id, $2, $3, $4, $5, $6, $7, $4 = 0 FROM job
"""


async def add_chunk(session: Session, bulk_id: UUID, number: int, chunk: Chunk) -> bool:
    """Store the next lines of a job that is received; False where the job is gone."""
    tag = await session.execute(
        _ADD_CHUNK,
        bulk_id,
        number,
        chunk.lines,
        chunk.valid,
        chunk.refs if any(ref is not None for ref in chunk.refs) else None,
        chunk.errors if chunk.valid < len(chunk.lines) else None,
        chunk.inputs if chunk.valid else None,
    )
    return bool(tag == "INSERT 0 1")


async def still_receiving(session: Session, bulk_id: UUID) -> None:
    """The client still sends, although no chunk is full yet."""
    await session.execute("UPDATE bulk_jobs SET seen_at = now() WHERE id = $1 AND status = 'receiving'", bulk_id)


# The job's row is locked before its user's, here and wherever both are. Both are locked by statements of their own: the
# next one then sees what others have left, and does not wait for a row that it has half of.
_LOCK_JOB = "SELECT FROM bulk_jobs WHERE id = $1 FOR NO KEY UPDATE"
# A job that has lost chunks, because it was taken for abandoned, is gone. What deletes them locks the job's row, too.
_START = """
    WITH job AS MATERIALIZED (
        SELECT id, user_id, price_credits * waiting AS cost FROM bulk_jobs
        WHERE id = $1 AND user_id = $2 AND status = 'receiving' AND waiting > 0
            AND chunks = (SELECT count(*) FROM bulk_chunks WHERE bulk_id = $1)
    ), payer AS MATERIALIZED (
        SELECT u.id, u.balance, u.is_blocked, 'telegram' = ANY (u.notify) AS prefers_chats
        FROM users AS u WHERE u.id = $2
    ), able AS MATERIALIZED (
        SELECT p.id, p.prefers_chats, j.cost FROM payer AS p CROSS JOIN job AS j
        WHERE NOT p.is_blocked AND p.balance >= j.cost
    ), keyed AS (
        INSERT INTO idempotency_keys (user_id, key, fingerprint, prediction_id, batch_id)
        SELECT id, $3, $4, $1, $1 FROM able WHERE $3::text IS NOT NULL
        ON CONFLICT DO NOTHING
        RETURNING user_id
    ), debited AS (
        UPDATE users AS u SET balance = u.balance - a.cost, grants_left = u.grants_left - a.cost
        FROM able AS a
        WHERE u.id = a.id AND u.balance >= a.cost AND ($3 IS NULL OR EXISTS (SELECT FROM keyed))
        RETURNING u.id, u.balance, a.cost, a.prefers_chats
    ), held AS (
        INSERT INTO transactions (user_id, kind, amount, bulk_id, actor_kind, actor_id)
        SELECT id, 'hold', cost, $1, $7, $8 FROM debited
    ), started AS (
        UPDATE bulk_jobs SET status = 'running', started_at = now() WHERE id = $1 AND EXISTS (SELECT FROM debited)
    ), owed AS (  -- held back for a chat that asks, until it shows "accepted" (storage/chat_deliveries.py)
        INSERT INTO deliveries (kind, subject_id, user_id, is_batch, chat_id, is_from_chat, leased_until)
        SELECT 'chat', $1, d.id, true, t.chat_id, $6::bigint IS NOT NULL,
            CASE WHEN $6 IS NOT NULL THEN now() + interval '30 seconds' END
        FROM debited AS d
        JOIN telegram_chats AS t ON t.user_id = d.id  -- telegram_chats_of_user
        WHERE CASE WHEN $6 IS NULL THEN coalesce($5, d.prefers_chats) ELSE t.chat_id = $6 END
    )
    SELECT CASE
            WHEN EXISTS (SELECT FROM debited) THEN 'accepted'
            WHEN NOT EXISTS (SELECT FROM job) THEN 'gone'
            WHEN NOT EXISTS (SELECT FROM payer) THEN 'no_user'
            WHEN (SELECT is_blocked FROM payer) THEN 'blocked'
            WHEN NOT EXISTS (SELECT FROM able) THEN 'insufficient_credits'
            ELSE 'twin'
        END AS decision,
        coalesce((SELECT balance FROM debited), (SELECT balance FROM payer), 0) AS balance,
        coalesce((SELECT cost FROM job), 0) AS cost
"""


async def start(
    session: Session,
    bulk_id: UUID,
    user_id: UUID,
    *,
    key: str | None,
    fingerprint: bytes,
    notifies_chats: bool | None,
    chat_id: int | None,
    actor: Actor | None = None,
) -> tuple[Decision | None, int, int]:
    """Hold the price of all valid lines and let the job run, or do nothing. Call it in a transaction.

    Args:
        actor: Who asks for it, where it is not the user: an API key.

    Returns:
        What was decided (None: the job is gone), the balance, and the price.
    """
    await session.execute(_LOCK_JOB, bulk_id)
    await session.execute(_LOCK_USER, user_id)
    actor = actor or Actor(ActorKind.USER, str(user_id))
    row = await session.fetchrow(
        _START, bulk_id, user_id, key, fingerprint, notifies_chats, chat_id, actor.kind, actor.id
    )
    assert row is not None  # noqa: S101  it has no FROM
    decision = None if row["decision"] == "gone" else Decision(row["decision"])
    return decision, row["balance"], row["cost"]


# What is waiting ends with the job, and its price goes back; what has been fed ends by itself, or in cancel_some.
_STOP = """
    WITH job AS MATERIALIZED (
        SELECT id, user_id, waiting * price_credits AS amount, waiting, key_id, started_at FROM bulk_jobs
        WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2) AND status = 'running'
        FOR NO KEY UPDATE
    ), stopped AS (
        UPDATE bulk_jobs AS b SET
            status = $3::text, error_code = $4, waiting = 0, stopped_by_kind = $5::text, stopped_by_id = $6::text,
            canceled = b.canceled + CASE WHEN $3 = 'canceled' THEN j.waiting ELSE 0 END,
            failed = b.failed + CASE WHEN $3 = 'failed' THEN j.waiting ELSE 0 END
        FROM job AS j WHERE b.id = j.id
    ), released AS (
        INSERT INTO transactions (user_id, kind, amount, bulk_id, actor_kind, actor_id)
        SELECT user_id, 'release', amount, id, $5, $6 FROM job WHERE waiting > 0
    ), refunded AS (
        UPDATE users AS u SET balance = u.balance + j.amount, grants_left = u.grants_left + j.amount
        FROM job AS j WHERE u.id = j.user_id AND j.amount > 0
        RETURNING u.id
    )
    SELECT count(*), give_back_to_keys(
        (SELECT array_agg((j.key_id, j.started_at, j.amount)::held_by_key)
         FROM job AS j JOIN refunded AS r ON r.id = j.user_id WHERE j.key_id IS NOT NULL)
    ) FROM job
"""


async def stop(
    session: Session,
    bulk_id: UUID,
    user_id: UUID | None,
    status: BulkStatus,
    actor: Actor,
    *,
    error_code: str | None = None,
) -> bool:
    """Feed no more of a running job and give back what it holds; False where it does not run, or is another user's."""
    return bool(await session.fetchval(_STOP, bulk_id, user_id, status, error_code, actor.kind, actor.id))


# Rows are locked in the order of their ids, as everywhere; what a worker is just finishing is left to the next call.
_CANCEL_OF_JOB = """
    WITH target AS MATERIALIZED (
        SELECT id FROM predictions  -- predictions_open
        WHERE user_id = $1 AND batch_id = $2 AND finished_at IS NULL
        ORDER BY id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED
    ), ended AS (
        UPDATE predictions AS p SET
            status = 'canceled', error_code = 'canceled', error_message = 'The bulk job was canceled.',
            finished_at = now()
        FROM target AS t
        WHERE p.id = t.id AND p.finished_at IS NULL
        RETURNING p.id, p.cost
    ), released AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)
        SELECT $1, 'release', e.cost, e.id, coalesce(b.stopped_by_kind, 'user'), coalesce(b.stopped_by_id, $1::text)
        FROM ended AS e LEFT JOIN bulk_jobs AS b ON b.id = $2 AND b.status = 'canceled'  -- by whom
    ), unsent AS (
        DELETE FROM outbox WHERE prediction_id = ANY (ARRAY(SELECT id FROM ended))
    ), refunded AS (
        UPDATE users AS u SET balance = balance + e.cost, grants_left = grants_left + e.cost
        FROM (SELECT sum(cost) AS cost FROM ended HAVING count(*) > 0) AS e
        WHERE u.id = $1
    )
    SELECT count(*) FROM ended
"""


async def cancel_some(session: Session, user_id: UUID, bulk_id: UUID, limit: int) -> int:
    """Cancel up to ``limit`` open predictions of a job and give their credits back; returns how many it canceled."""
    return int(await session.fetchval(_CANCEL_OF_JOB, user_id, bulk_id, limit))


async def get(session: Session, user_id: UUID | None, bulk_id: UUID) -> BulkJob | None:
    """A job, of this user where one is named."""
    row = await session.fetchrow(
        f"SELECT {COLUMNS} FROM bulk_jobs AS b WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2)",  # noqa: S608
        bulk_id,
        user_id,
    )
    return None if row is None else job_of(row)


_LIST = f"""
    SELECT {COLUMNS} FROM bulk_jobs AS b  -- bulk_jobs_of_user, read backwards
    WHERE (user_id, id) < ($1, $2) AND (user_id, id) >= ($1, '00000000-0000-0000-0000-000000000000')
        AND started_at IS NOT NULL
    ORDER BY user_id DESC, id DESC LIMIT $3
"""  # noqa: S608  the columns are ours


async def list_of(session: Session, user_id: UUID, before: UUID, limit: int) -> list[BulkJob]:
    """A user's jobs, newest first, with ids below ``before``; not those that are still received."""
    return [job_of(row) for row in await session.fetch(_LIST, user_id, before, limit)]


async def open_jobs(session: Session, limit: int) -> list[BulkJob]:
    """Unfinished jobs of everybody, the oldest first."""
    rows = await session.fetch(
        f"SELECT {COLUMNS} FROM bulk_jobs AS b WHERE finished_at IS NULL ORDER BY id LIMIT $1",  # noqa: S608
        limit,
    )
    return [job_of(row) for row in rows]


_LEFT = """
    SELECT id FROM bulk_jobs AS b  -- bulk_jobs_of_user
    WHERE user_id = $1 AND started_at IS NOT NULL AND (
        finished_at IS NULL OR key_id IS NULL OR EXISTS (SELECT FROM bulk_chunks AS c WHERE c.bulk_id = b.id)
    )
"""


async def left_of(session: Session, user_id: UUID) -> list[UUID]:
    """Jobs of a deleted account that are still to be stopped or deleted."""
    return [row["id"] for row in await session.fetch(_LEFT, user_id)]


_ABANDONED = """
    SELECT id FROM bulk_jobs  -- bulk_jobs_open
    WHERE finished_at IS NULL AND status = 'receiving' AND seen_at < now() - $1 * interval '1 second'
    ORDER BY id LIMIT 100
"""
# The row of a job by an API key stays, without its lines, because the key's spending is computed from it.
_OLD = """
    SELECT id FROM bulk_jobs AS b
    WHERE finished_at < now() - $1 * interval '1 second'
        AND (key_id IS NULL OR EXISTS (SELECT FROM bulk_chunks AS c WHERE c.bulk_id = b.id))
    ORDER BY id LIMIT 100
"""


async def abandoned(session: Session, silent_s: float) -> list[UUID]:
    """Jobs whose sender, or the process that received them, has been silent for so long."""
    return [row["id"] for row in await session.fetch(_ABANDONED, silent_s)]


async def old(session: Session, age_s: float) -> list[UUID]:
    """Jobs that finished so long ago."""
    return [row["id"] for row in await session.fetch(_OLD, age_s)]


# The job's row is locked, and so a start that is being committed is waited for: then the job runs, and keeps its lines.
_DELETE_CHUNKS = """
    DELETE FROM bulk_chunks AS c USING (
        SELECT c.bulk_id, c.number FROM bulk_chunks AS c JOIN bulk_jobs AS b ON b.id = c.bulk_id
        WHERE c.bulk_id = $1 AND CASE WHEN $3 THEN b.finished_at IS NOT NULL ELSE b.status = 'receiving' END
        ORDER BY c.number LIMIT $2
        FOR NO KEY UPDATE OF b
    ) AS part
    WHERE c.bulk_id = part.bulk_id AND c.number = part.number
"""
_DELETE_JOB = """
    DELETE FROM bulk_jobs AS b
    WHERE id = $1 AND CASE WHEN $2 THEN finished_at IS NOT NULL AND key_id IS NULL ELSE status = 'receiving' END
        AND NOT EXISTS (SELECT FROM bulk_chunks AS c WHERE c.bulk_id = b.id)
"""


async def delete_some(session: Session, bulk_id: UUID, limit: int, *, is_finished: bool) -> bool:
    """Delete up to ``limit`` chunks of a job, and then the job; False: call it again.

    Args:
        is_finished: Delete it only if it has finished; False: only if it never ran.
    """
    tag = await session.execute(_DELETE_CHUNKS, bulk_id, limit, is_finished)
    if int(tag.rpartition(" ")[2]) == limit:
        return False
    await session.execute(_DELETE_JOB, bulk_id, is_finished)
    return True


async def find_key(session: Session, user_id: UUID, key: str) -> tuple[UUID | None, bytes] | None:
    """What an Idempotency-Key stood for: a batch or a bulk job (None: a single prediction), and what it meant."""
    row = await session.fetchrow(
        "SELECT batch_id, fingerprint FROM idempotency_keys WHERE user_id = $1 AND key = $2", user_id, key
    )
    return None if row is None else (row["batch_id"], row["fingerprint"])


_CHANGED = f"""
    SELECT {COLUMNS} FROM bulk_jobs AS b  -- bulk_jobs_of_user
    WHERE user_id = $1 AND started_at IS NOT NULL
        AND NOT is_version_seen(b.xmin, $2::text::pg_snapshot) AND is_version_seen(b.xmin, $3::text::pg_snapshot)
    ORDER BY user_id DESC, id DESC LIMIT $4
"""  # noqa: S608  the columns are ours


async def changed(session: Session, user_id: UUID, since: str, until: str, limit: int) -> list[BulkJob]:
    """A user's jobs that have changed between two snapshots, and not after them."""
    return [job_of(row) for row in await session.fetch(_CHANGED, user_id, since, until, limit)]


async def running_of(session: Session, user_id: UUID) -> list[BulkJob]:
    """A user's jobs that were started and have not finished, the oldest first."""
    rows = await session.fetch(
        f"SELECT {COLUMNS} FROM bulk_jobs AS b"  # noqa: S608
        " WHERE user_id = $1 AND finished_at IS NULL AND started_at IS NOT NULL ORDER BY id",
        user_id,
    )
    return [job_of(row) for row in rows]


_ERASE_TEXTS = """
    UPDATE bulk_chunks AS c SET
        refs = NULL, errors = CASE WHEN c.errors IS NOT NULL THEN
            ARRAY(
                SELECT CASE WHEN e IS NOT NULL THEN $3::text END
                FROM unnest(c.errors) WITH ORDINALITY AS one (e, no) ORDER BY no
            )
        END
    FROM (
        SELECT c.bulk_id, c.number FROM bulk_jobs AS b JOIN bulk_chunks AS c ON c.bulk_id = b.id
        WHERE b.finished_at < now() - $1 * interval '1 second'
            AND (c.refs IS NOT NULL OR c.errors IS NOT NULL AND NOT c.errors @> ARRAY[$3::text])
        LIMIT $2
    ) AS part
    WHERE c.bulk_id = part.bulk_id AND c.number = part.number
"""


async def erase_texts(session: Session, age_s: float, limit: int) -> int:
    """Forget what senders wrote in up to ``limit`` chunks of jobs that finished so long ago; returns how many."""
    tag = await session.execute(_ERASE_TEXTS, age_s, limit, "The text is no longer kept.")
    return int(tag.rpartition(" ")[2])
