"""Reading predictions by id; history.py has pages of them.

Writing them: submissions.py, claiming.py, finishing.py, canceling.py, expiring.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from ml_service.domain.predictions import TERMINAL, Prediction, PredictionError, Source, Status
from ml_service.storage.database import Session


def prediction_of(row: Any) -> Prediction:
    """Make a Prediction of a row that has all its columns."""
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
        key_id=row["key_id"],
    )


# The table is partitioned by id. Ids come as a joined list, so that each is looked for in its own partition alone;
# `id = ANY (...)` would search all of them.

_GET_MANY = """
    SELECT p.id, p.user_id, p.model, p.version, p.status, p.input, p.output, p.error_code, p.error_message, p.cost,
        p.source, p.batch_id, p.worker_id, p.attempts, p.predict_ms, p.deadline_at, p.created_at, p.started_at,
        p.finished_at, p.key_id
    FROM unnest($1::uuid[]) AS wanted (id) JOIN predictions AS p ON p.id = wanted.id
"""


async def get_many(session: Session, ids: Sequence[UUID]) -> dict[UUID, Prediction]:
    """The predictions of these ids, of any user; ids that do not exist are left out."""
    return {row["id"]: prediction_of(row) for row in await session.fetch(_GET_MANY, ids)}


_GET_SOME = """
    SELECT id, user_id, model, version, status, input, output, error_code, error_message, cost, source, batch_id,
        worker_id, attempts, predict_ms, deadline_at, created_at, started_at, finished_at, key_id
    FROM (
        SELECT stored.*,
            sum(octet_length(input::text) + coalesce(octet_length(output::text), 0)) OVER before AS bytes_before
        FROM (  -- by their stored sizes first, as in history.py
            SELECT p.*, wanted.place,
                sum(pg_column_size(p.input) + coalesce(pg_column_size(p.output), 0)) OVER before AS stored_bytes_before
            FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (id, place) JOIN predictions AS p ON p.id = wanted.id
            WINDOW before AS (ORDER BY wanted.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
        ) AS stored
        WHERE coalesce(stored_bytes_before, 0) < $2
        WINDOW before AS (ORDER BY place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ) AS page
    WHERE coalesce(bytes_before, 0) < $2
    ORDER BY place
"""


async def get_some(session: Session, ids: Sequence[UUID], *, bytes_max: int) -> dict[UUID, Prediction]:
    """The first of these predictions until their texts reach ``bytes_max``, at least one: ask again for the rest."""
    return {row["id"]: prediction_of(row) for row in await session.fetch(_GET_SOME, ids, bytes_max)}


_STATUSES = """
    SELECT p.id, p.status FROM unnest($1::uuid[]) AS wanted (id) JOIN predictions AS p ON p.id = wanted.id
"""


async def statuses(session: Session, ids: Sequence[UUID]) -> dict[UUID, Status]:
    """The states of these predictions, without their texts; ids that do not exist are left out."""
    return {row["id"]: Status(row["status"]) for row in await session.fetch(_STATUSES, ids)}


_STATES = """
    SELECT p.id, p.status, p.attempts FROM unnest($1::uuid[]) AS wanted (id) JOIN predictions AS p ON p.id = wanted.id
"""


async def states(session: Session, ids: Sequence[UUID]) -> dict[UUID, tuple[Status, int]]:
    """Status and attempts of these predictions, without their texts; ids that do not exist are left out."""
    return {row["id"]: (Status(row["status"]), row["attempts"]) for row in await session.fetch(_STATES, ids)}


_DEADLINES = """
    SELECT p.id, p.deadline_at FROM unnest($1::uuid[]) AS wanted (id) JOIN predictions AS p ON p.id = wanted.id
    WHERE p.deadline_at IS NOT NULL
"""


async def deadlines(session: Session, ids: Sequence[UUID]) -> dict[UUID, str]:
    """The deadlines of these predictions, as ISO 8601; without those that have none."""
    return {row["id"]: row["deadline_at"].isoformat() for row in await session.fetch(_DEADLINES, ids)}


async def open_among(session: Session, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these predictions are unfinished."""
    return {one for one, status in (await statuses(session, ids)).items() if status not in TERMINAL}


_BATCH_IDS = """
    SELECT p.id
    FROM batches AS b JOIN predictions AS p ON p.id BETWEEN b.first_id AND b.last_id AND p.batch_id = b.id
    WHERE b.id = $1 AND b.user_id = $2
    ORDER BY p.id
"""


async def batch_ids(session: Session, user_id: UUID, batch_id: UUID) -> list[UUID]:
    """The ids of a user's batch, in the order of the request."""
    return [row["id"] for row in await session.fetch(_BATCH_IDS, batch_id, user_id)]


# Messages of a parked version that no worker serves were dropped. One that is about to be sent again is in the outbox.
_UNDER_WAY_OR_ENDED = """
    SELECT p.id, p.finished_at IS NOT NULL AS has_ended FROM predictions AS p
    WHERE p.id = ANY ($1::uuid[]) AND (p.finished_at IS NOT NULL OR NOT EXISTS (
        SELECT FROM model_versions AS v
        WHERE v.name = p.model AND v.version = p.version AND v.parked_at <= now() AND NOT EXISTS (
            SELECT FROM workers AS w WHERE w.lease_until > now() AND v.name || '@' || v.version = ANY (w.models)
        )
    ) AND NOT EXISTS (SELECT FROM outbox AS o WHERE o.prediction_id = p.id))
"""


async def under_way_and_ended(session: Session, ids: Sequence[UUID]) -> tuple[set[UUID], set[UUID]]:
    """Which of these are under way, and which have ended; the others wait to be sent again, or for a worker."""
    rows = await session.fetch(_UNDER_WAY_OR_ENDED, ids)
    return {row["id"] for row in rows if not row["has_ended"]}, {row["id"] for row in rows if row["has_ended"]}


async def count_open(session: Session, count_max: int) -> int:
    """How many predictions are unfinished, counted up to ``count_max``: the index alone is read."""
    return int(
        await session.fetchval(
            "SELECT count(*) FROM (SELECT FROM predictions WHERE finished_at IS NULL LIMIT $1) AS open", count_max
        )
    )
