"""What a user has used in a period."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from uuid import UUID

from ml_service.domain.errors import InvalidInput
from ml_service.domain.ids import first_id_at
from ml_service.storage import usage
from ml_service.storage.database import Session
from ml_service.storage.usage import Usage

DAYS = 30
"""Counted where no time is named."""
DAYS_MAX = 366
"""A longer time would take long to count."""
ROWS = 50_000
"""Counted by one statement: one that counts a million takes longer than a statement may."""


async def usage_of(
    session: Session,
    user_id: UUID,
    by: Literal["day", "model", "key"],
    start: datetime | None,
    end: datetime | None,
    *,
    rows_max: int = ROWS,
) -> list[Usage]:
    """A user's predictions by day, the earliest first, or by model or API key, the most used first.

    They are counted some at a time, so that there may be any number of them.

    Raises:
        InvalidInput: The time is too long.
    """
    stop = end or datetime.now(UTC) + timedelta(days=1)
    since = start or stop - timedelta(days=DAYS)
    if stop - since > timedelta(days=DAYS_MAX):
        message = f"A time has at most {DAYS_MAX} days."
        raise InvalidInput(message, errors=[{"location": "query.from", "message": message}])
    count = {"day": usage.by_day, "model": usage.by_model, "key": usage.by_key}[by]
    sums: dict[tuple[date | None, str | None, UUID | None], Usage] = {}
    until_id = first_id_at(stop)
    piece_from: UUID | None = first_id_at(since)
    while piece_from is not None:
        piece_end = await usage.piece_end(session, user_id, piece_from, until_id, rows_max)
        for one in await count(session, user_id, piece_from, piece_end or until_id):
            group = (one.day, one.model, one.key_id)
            sums[group] = _sum(sums[group], one) if group in sums else one
        piece_from = piece_end
    return sorted(sums.values(), key=_place)


def _sum(one: Usage, other: Usage) -> Usage:
    return replace(
        one,
        predictions=one.predictions + other.predictions,
        succeeded=one.succeeded + other.succeeded,
        failed=one.failed + other.failed,
        credits=one.credits + other.credits,
    )


def _place(one: Usage) -> tuple[date, int, str, bool, str]:
    """Days in their order; of models and keys the most used first, and last what was asked for without a key."""
    most_used = 0 if one.day else -one.predictions
    return one.day or date.min, most_used, one.model or "", one.key_id is None, str(one.key_id)
