"""Pages of a history as buttons lead through them, from id to id: a batch is one entry, however long it is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ml_service.domain.predictions import Prediction
from ml_service.storage.database import Session
from ml_service.storage.history import LAST_ID
from ml_service.storage.predictions import prediction_of

TEXT_BYTES_MAX = 65_536
"""Of each input and each output in a page."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A single prediction, or a batch, which its newest prediction stands for.

    Attributes:
        total, done, open: How many predictions the batch has, and how many of them succeeded or are unfinished; all 0
            for a single one.
    """

    prediction: Prediction
    total: int
    done: int
    open: int


# A batch is listed at its newest wanted prediction; its other predictions are skipped, each with one lookup of the
# next. The pairs of account and id: see storage/history.py.
_OLDER = """
    SELECT p.id, p.user_id, p.model, p.version, p.status,
        CASE WHEN octet_length(p.input::text) <= $5 THEN p.input
            ELSE json_build_object('text', left(p.input ->> 'text', 200)) END AS input,
        CASE WHEN octet_length(p.output::text) <= $5 THEN p.output END AS output,
        p.error_code, p.error_message, p.cost, p.source, p.batch_id, p.worker_id, p.attempts, p.predict_ms,
        p.deadline_at, p.created_at, p.started_at, p.finished_at, p.key_id, counted.total, counted.done, counted.open
    FROM (
        SELECT one.* FROM unnest($1::uuid[]) AS account (id) CROSS JOIN LATERAL (
            SELECT p.* FROM predictions AS p  -- predictions_of_user, read backwards
            WHERE (p.user_id, p.id) < (account.id, $3)
                AND (p.user_id, p.id) >= (account.id, '00000000-0000-0000-0000-000000000000')
                AND ($2::text[] IS NULL OR p.status = ANY ($2))
                AND (p.batch_id IS NULL OR NOT EXISTS (
                    SELECT FROM batches AS b
                    JOIN predictions AS newer ON newer.id > p.id AND newer.id <= b.last_id AND newer.batch_id = b.id
                    WHERE b.id = p.batch_id AND ($2::text[] IS NULL OR newer.status = ANY ($2))
                ))
            ORDER BY p.user_id DESC, p.id DESC LIMIT $4
        ) AS one
        ORDER BY one.id DESC LIMIT $4
    ) AS p CROSS JOIN LATERAL (
        SELECT coalesce(max(b.size), 0) AS total, count(*) FILTER (WHERE one.status = 'succeeded') AS done,
            count(*) FILTER (WHERE one.finished_at IS NULL) AS open
        FROM batches AS b JOIN predictions AS one ON one.id BETWEEN b.first_id AND b.last_id AND one.batch_id = b.id
        WHERE b.id = p.batch_id
    ) AS counted
    ORDER BY p.id DESC
"""
_NEWER = """
    SELECT p.id, p.user_id, p.model, p.version, p.status,
        CASE WHEN octet_length(p.input::text) <= $5 THEN p.input
            ELSE json_build_object('text', left(p.input ->> 'text', 200)) END AS input,
        CASE WHEN octet_length(p.output::text) <= $5 THEN p.output END AS output,
        p.error_code, p.error_message, p.cost, p.source, p.batch_id, p.worker_id, p.attempts, p.predict_ms,
        p.deadline_at, p.created_at, p.started_at, p.finished_at, p.key_id, counted.total, counted.done, counted.open
    FROM (
        SELECT one.* FROM unnest($1::uuid[]) AS account (id) CROSS JOIN LATERAL (
            SELECT p.* FROM predictions AS p  -- predictions_of_user, read forwards
            WHERE (p.user_id, p.id) > (account.id, $3)
                AND (p.user_id, p.id) <= (account.id, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
                AND ($2::text[] IS NULL OR p.status = ANY ($2))
                AND (p.batch_id IS NULL OR NOT EXISTS (
                    SELECT FROM batches AS b
                    JOIN predictions AS newer ON newer.id > p.id AND newer.id <= b.last_id AND newer.batch_id = b.id
                    WHERE b.id = p.batch_id AND ($2::text[] IS NULL OR newer.status = ANY ($2))
                ))
            ORDER BY p.user_id, p.id LIMIT $4
        ) AS one
        ORDER BY one.id ASC LIMIT $4
    ) AS p CROSS JOIN LATERAL (
        SELECT coalesce(max(b.size), 0) AS total, count(*) FILTER (WHERE one.status = 'succeeded') AS done,
            count(*) FILTER (WHERE one.finished_at IS NULL) AS open
        FROM batches AS b JOIN predictions AS one ON one.id BETWEEN b.first_id AND b.last_id AND one.batch_id = b.id
        WHERE b.id = p.batch_id
    ) AS counted
    ORDER BY p.id DESC
"""


async def older(
    session: Session, user_ids: Sequence[UUID], statuses: Sequence[str] | None, *, before: UUID = LAST_ID, limit: int
) -> list[Entry]:
    """The newest entries of these accounts' histories before an id; with ``statuses``, those with such a prediction.

    Each entry is shown in one line, so a long input is cut to the beginning of its text, and a long output is left out.
    """
    return _entries(await session.fetch(_OLDER, user_ids, statuses, before, limit, TEXT_BYTES_MAX))


async def newer(
    session: Session, user_ids: Sequence[UUID], statuses: Sequence[str] | None, *, after: UUID, limit: int
) -> list[Entry]:
    """The oldest entries after an id, the newest of them first; as `older` otherwise."""
    return _entries(await session.fetch(_NEWER, user_ids, statuses, after, limit, TEXT_BYTES_MAX))


def _entries(rows: Iterable[Any]) -> list[Entry]:
    return [Entry(prediction_of(row), row["total"], row["done"], row["open"]) for row in rows]
