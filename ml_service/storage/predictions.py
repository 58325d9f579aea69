"""Predictions in PostgreSQL: reading, claiming, finishing, canceling. (Submitting stands in submissions.py.)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from ml_service.domain.predictions import Prediction, PredictionError, Source, Status
from ml_service.storage.database import Session

COLUMNS = """
    id, user_id, model, version, status, input, output, error_code, error_message, cost, source, batch_id,
    worker_id, attempts, predict_ms, deadline_at, created_at, started_at, finished_at
"""


def prediction_of(row: Any) -> Prediction:
    """Make a Prediction of a row that has COLUMNS."""
    error = None if row["error_code"] is None else PredictionError(row["error_code"], row["error_message"])
    return Prediction(
        id=row["id"],
        user_id=row["user_id"],
        model=row["model"],
        version=row["version"],
        status=Status(row["status"]),
        input=row["input"],
        output=row["output"],
        error=error,
        cost=row["cost"],
        source=Source(row["source"]),
        batch_id=row["batch_id"],
        worker_id=row["worker_id"],
        attempts=row["attempts"],
        predict_ms=row["predict_ms"],
        deadline_at=row["deadline_at"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
    )


async def get_many(session: Session, ids: Sequence[UUID]) -> dict[UUID, Prediction]:
    """The predictions of these ids, whoever's they are; ids that do not exist are left out."""
    rows = await session.fetch(f"SELECT {COLUMNS} FROM predictions WHERE id = ANY($1::uuid[])", ids)
    return {row["id"]: prediction_of(row) for row in rows}


async def get_batch(session: Session, user_id: UUID, batch_id: UUID) -> list[Prediction]:
    """All predictions of a user's batch, in the order of the request."""
    rows = await session.fetch(
        f"SELECT {COLUMNS} FROM predictions WHERE batch_id = $2 AND user_id = $1 ORDER BY id",
        user_id,
        batch_id,
    )
    return [prediction_of(row) for row in rows]


LAST_ID = UUID(int=2**128 - 1)
"""No id comes after this one: a condition on the index, whether there is a cursor or not."""

_HISTORY = f"""
    SELECT {COLUMNS} FROM predictions  -- predictions_of_user, read backwards
    WHERE user_id = $1
      AND id < $2
      AND ($3::text IS NULL OR status = $3)
      AND ($4::text IS NULL OR model = $4)
      AND ($5::text IS NULL OR source = $5)
      AND ($6::uuid IS NULL OR batch_id = $6)
    ORDER BY id DESC
    LIMIT $7
"""


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """What of a user's history is wanted; None does not filter."""

    status: Status | None = None
    model: str | None = None
    source: Source | None = None
    batch_id: UUID | None = None


async def history(
    session: Session, user_id: UUID, wanted: HistoryFilter, *, before: UUID | None, limit: int
) -> list[Prediction]:
    """A user's predictions, newest first, older than ``before`` where it is given."""
    rows = await session.fetch(
        _HISTORY, user_id, before or LAST_ID, wanted.status, wanted.model, wanted.source, wanted.batch_id, limit
    )
    return [prediction_of(row) for row in rows]


class Claimed(NamedTuple):
    """What a worker got of a prediction that it asked for.

    ``status`` is ``processing`` where it is the worker's now, under this ``attempt``; a terminal one where the claim
    found it overdue or out of attempts, and ended it.
    """

    id: UUID
    user_id: UUID
    status: str
    model: str
    input: str
    attempt: int


# Gives the credits of the rows of a CTE `ended` back to their users, whose rows are locked in the order of their ids.
_REFUND = """
    , payer AS MATERIALIZED (
        SELECT u.id FROM users AS u WHERE u.id = ANY (ARRAY(SELECT user_id FROM ended)) ORDER BY u.id
        FOR NO KEY UPDATE
    ), refunded AS (
        UPDATE users SET balance = balance + (SELECT sum(e.cost) FROM ended AS e WHERE e.user_id = users.id)
        WHERE id = ANY (ARRAY(SELECT id FROM payer))
    )
"""

# A row is the asker's if it is queued, if the broker says that an earlier delivery was lost, or if the worker that had
# it is gone. One update decides all that may become of it, and credits of what ends here go back in the same statement.
# The ids come sorted and are looked up in that order, so two workers that ask for the same ids lock them alike.
_IS_OVERDUE = "p.status = 'queued' AND coalesce(p.deadline_at <= now(), false)"
_IS_EXHAUSTED = "p.attempts >= $4"
_CLAIM = f"""
    WITH taken AS (
        UPDATE predictions AS p SET
            status = CASE WHEN {_IS_OVERDUE} THEN 'expired' WHEN {_IS_EXHAUSTED} THEN 'failed' ELSE 'processing' END,
            worker_id = CASE WHEN {_IS_OVERDUE} OR {_IS_EXHAUSTED} THEN p.worker_id ELSE $3 END,
            attempts = CASE WHEN {_IS_OVERDUE} OR {_IS_EXHAUSTED} THEN p.attempts ELSE p.attempts + 1 END,
            started_at = CASE WHEN {_IS_OVERDUE} OR {_IS_EXHAUSTED} THEN p.started_at ELSE now() END,
            finished_at = CASE WHEN {_IS_OVERDUE} OR {_IS_EXHAUSTED} THEN now() END,
            error_code = CASE WHEN {_IS_OVERDUE} THEN 'deadline_exceeded'
                WHEN {_IS_EXHAUSTED} THEN 'attempts_exhausted' END,
            error_message = CASE WHEN {_IS_OVERDUE} THEN 'No worker was free before the deadline.'
                WHEN {_IS_EXHAUSTED} THEN format('The prediction was given up after %s attempts.', p.attempts) END
        FROM unnest($1::uuid[], $2::boolean[]) AS asked (id, redelivered)
        WHERE p.id = asked.id AND CASE p.status
            WHEN 'queued' THEN true
            WHEN 'processing' THEN asked.redelivered OR ($5 AND p.worker_id = $3) OR worker_is_gone(p.worker_id)
            ELSE false
        END
        RETURNING p.id, p.user_id, p.status, p.model, p.input, p.attempts, p.cost
    ), ended AS (
        SELECT id, user_id, cost FROM taken WHERE status <> 'processing'
    ), released AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id)
        SELECT user_id, 'release', cost, id FROM ended
    )
    {_REFUND}
    SELECT id, user_id, status, model, input::text, attempts FROM taken  -- as in Claimed
"""


async def claim(
    session: Session,
    worker_id: str,
    ids: Sequence[UUID],
    redelivered: Sequence[bool],
    *,
    attempts_max: int,
    is_retry: bool = False,
) -> list[Claimed]:
    """Take what of ``ids`` may be taken, in one statement; what is missing in the answer is somebody else's or done.

    Args:
        is_retry: An earlier try got no answer and may have been carried out: what it took is taken again.
    """
    asked: dict[UUID, bool] = {}
    for one, again in zip(ids, redelivered, strict=True):
        asked[one] = again or asked.get(one, False)
    in_order = sorted(asked)
    rows = await session.fetch(_CLAIM, in_order, [asked[one] for one in in_order], worker_id, attempts_max, is_retry)
    return [Claimed._make(row) for row in rows]


class Finish(NamedTuple):
    """The end of one claimed prediction: an output as JSON text, or an error.

    ``attempt`` is the one of the claim: it fences off an answer that comes after somebody else has claimed the row.
    """

    id: UUID
    attempt: int
    version: str
    predict_ms: float
    output: str | None
    error: PredictionError | None = None


class Finished(NamedTuple):
    """A prediction that has just reached a terminal state."""

    id: UUID
    user_id: UUID
    status: str


_FINISH_ALL = """
    WITH finished AS (
        UPDATE predictions AS p SET
            status = CASE WHEN a.error_code IS NULL THEN 'succeeded' ELSE 'failed' END,
            version = a.version,
            predict_ms = a.predict_ms,
            output = a.output::json,
            error_code = a.error_code,
            error_message = a.error_message,
            finished_at = now()
        FROM unnest($2::uuid[], $3::int[], $4::text[], $5::real[], $6::text[], $7::text[], $8::text[])
            AS a (id, attempt, version, predict_ms, output, error_code, error_message)
        WHERE p.id = a.id AND p.status = 'processing' AND p.attempts = a.attempt AND p.worker_id = $1
        RETURNING p.id, p.user_id, p.cost, p.status
    ), settled AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id)
        SELECT user_id, CASE status WHEN 'succeeded' THEN 'capture' ELSE 'release' END, cost, id FROM finished
    )
"""
# A capture moves what is held to the revenue and so touches no user's row; only failures give credits back.
_FAILED = ", ended AS (SELECT id, user_id, cost FROM finished WHERE status = 'failed')"
_FINISHED = " SELECT id, user_id, status FROM finished"


async def finish(session: Session, worker_id: str, answers: Sequence[Finish]) -> list[Finished]:
    """End a batch in one statement; answers whose row is no longer this worker's attempt are dropped."""
    if not answers:
        return []
    # Sorted by id: locked in this order, as everywhere.
    ids, attempts, versions, predict_ms, outputs, errors = zip(*sorted(answers, key=itemgetter(0)), strict=True)
    if not any(errors):
        whole = _FINISH_ALL + _FINISHED
        rows = await session.fetch(whole, worker_id, ids, attempts, versions, predict_ms, outputs, None, None)
    else:
        whole = _FINISH_ALL + _FAILED + _REFUND + _FINISHED
        outputs = tuple(None if error else output for output, error in zip(outputs, errors, strict=True))
        codes = [error and error.code for error in errors]
        messages = [error and error.message for error in errors]
        rows = await session.fetch(whole, worker_id, ids, attempts, versions, predict_ms, outputs, codes, messages)
    return [Finished._make(row) for row in rows]


# The outbox row goes too: nobody needs to be asked any more.
_END_OPEN = """
    WITH target AS MATERIALIZED (
        SELECT id FROM predictions WHERE {condition} ORDER BY id {limit} FOR NO KEY UPDATE {skip}
    ), ended AS (
        UPDATE predictions AS p SET
            status = '{status}', error_code = '{code}', error_message = '{message}', finished_at = now()
        FROM target AS t
        WHERE p.id = t.id AND {condition_of_p}
        RETURNING p.*
    ), released AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id)
        SELECT user_id, 'release', cost, id FROM ended
    ), unsent AS (
        DELETE FROM outbox WHERE prediction_id = ANY (ARRAY(SELECT id FROM ended))
    )
    {refund}
    SELECT {columns} FROM ended
"""
_CANCEL = _END_OPEN.format(
    condition="id = $1 AND user_id = $2 AND finished_at IS NULL",
    condition_of_p="p.finished_at IS NULL",
    limit="",
    skip="",
    status="canceled",
    code="canceled",
    message="The prediction was canceled by its user.",
    refund=_REFUND,
    columns=COLUMNS,
)
_EXPIRE = _END_OPEN.format(
    condition="status = 'queued' AND finished_at IS NULL AND deadline_at <= now()",
    condition_of_p="p.status = 'queued'",
    limit="LIMIT $1",
    skip="SKIP LOCKED",
    status="expired",
    code="deadline_exceeded",
    message="No worker was free before the deadline.",
    refund=_REFUND,
    columns="id, user_id, status",
)


async def cancel(session: Session, user_id: UUID, prediction_id: UUID) -> Prediction | None:
    """Cancel a user's open prediction and give its credits back; None where it is not theirs or has ended."""
    row = await session.fetchrow(_CANCEL, prediction_id, user_id)
    return None if row is None else prediction_of(row)


async def expire(session: Session, limit: int) -> list[Finished]:
    """End up to ``limit`` queued predictions whose deadline has passed, and give their credits back."""
    rows = await session.fetch(_EXPIRE, limit)
    return [Finished._make(row) for row in rows]


async def canceled_among(session: Session, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these predictions nobody wants any more."""
    rows = await session.fetch("SELECT id FROM predictions WHERE id = ANY($1::uuid[]) AND status = 'canceled'", ids)
    return {row["id"] for row in rows}


async def open_among(session: Session, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these predictions are unfinished."""
    rows = await session.fetch("SELECT id FROM predictions WHERE id = ANY($1::uuid[]) AND finished_at IS NULL", ids)
    return {row["id"] for row in rows}


async def count_open(session: Session, count_max: int) -> int:
    """How many predictions are unfinished, counted up to ``count_max``: the index alone is read."""
    return int(
        await session.fetchval(
            "SELECT count(*) FROM (SELECT FROM predictions WHERE finished_at IS NULL LIMIT $1) AS open", count_max
        )
    )


_PURGE_KEYS = """
    DELETE FROM idempotency_keys WHERE (user_id, key) IN (
        SELECT user_id, key FROM idempotency_keys  -- idempotency_keys_age
        WHERE created_at < now() - $1 * interval '1 second' ORDER BY created_at LIMIT $2
    )
"""


async def purge_keys(session: Session, older_than_s: float, limit: int) -> int:
    """Forget up to ``limit`` idempotency keys used more than ``older_than_s`` seconds ago; returns how many."""
    tag = await session.execute(_PURGE_KEYS, older_than_s, limit)
    return int(tag.rpartition(" ")[2])
