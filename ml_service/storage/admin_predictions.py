"""Predictions of anyone, without their texts: for admins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ml_service.storage.database import Session
from ml_service.storage.history import LAST_ID


@dataclass(frozen=True, slots=True)
class ListedPrediction:
    """A prediction without input, output and message of error."""

    id: UUID
    user_id: UUID
    username: str
    model: str
    version: str | None
    status: str
    error_code: str | None
    cost: int
    source: str
    batch_id: UUID | None
    worker_id: str | None
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


_NEWEST = """
    SELECT p.id, p.user_id, u.username, p.model, p.version, p.status, p.error_code, p.cost, p.source, p.batch_id,
        p.worker_id, p.attempts, p.created_at, p.started_at, p.finished_at
    FROM (
        SELECT * FROM predictions WHERE id < $1 ORDER BY id DESC LIMIT $2  -- the primary key, read backwards
    ) AS p JOIN users AS u ON u.id = p.user_id
    ORDER BY p.id DESC
"""
_NEWEST_OF_USER = """
    SELECT p.id, p.user_id, u.username, p.model, p.version, p.status, p.error_code, p.cost, p.source, p.batch_id,
        p.worker_id, p.attempts, p.created_at, p.started_at, p.finished_at
    FROM (
        SELECT * FROM predictions  -- predictions_of_user, read backwards; see storage/history.py for the pairs
        WHERE (user_id, id) < ($3, $1) AND (user_id, id) >= ($3, '00000000-0000-0000-0000-000000000000') AND id < $1
        ORDER BY user_id DESC, id DESC LIMIT $2
    ) AS p JOIN users AS u ON u.id = p.user_id
    ORDER BY p.id DESC
"""


async def newest(session: Session, *, user_id: UUID | None, before: UUID | None, limit: int) -> list[ListedPrediction]:
    """Predictions of everybody, or of one user, newest first, older than ``before`` where it is given."""
    if user_id is None:
        rows = await session.fetch(_NEWEST, before or LAST_ID, limit)
    else:
        rows = await session.fetch(_NEWEST_OF_USER, before or LAST_ID, limit, user_id)
    return [ListedPrediction(*row) for row in rows]


_OF_ID = """
    SELECT p.id, p.user_id, u.username, p.model, p.version, p.status, p.error_code, p.cost, p.source, p.batch_id,
        p.worker_id, p.attempts, p.created_at, p.started_at, p.finished_at
    FROM predictions AS p JOIN users AS u ON u.id = p.user_id WHERE p.id = $1
"""


async def of_id(session: Session, prediction_id: UUID) -> ListedPrediction | None:
    """The prediction of this id, of any user."""
    row = await session.fetchrow(_OF_ID, prediction_id)
    return None if row is None else ListedPrediction(*row)


async def owner_and_status_for_update(session: Session, prediction_id: UUID) -> tuple[UUID, str] | None:
    """Whose prediction it is, and its status, which stays until the commit; None where there is none."""
    row = await session.fetchrow(
        "SELECT user_id, status FROM predictions WHERE id = $1 FOR NO KEY UPDATE", prediction_id
    )
    return None if row is None else (row["user_id"], row["status"])
