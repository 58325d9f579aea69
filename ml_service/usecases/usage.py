"""What a user has used in a period."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
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


async def usage_of(
    session: Session, user_id: UUID, by: Literal["day", "model", "key"], start: datetime | None, end: datetime | None
) -> list[Usage]:
    """A user's predictions by day, the earliest first, or by model or API key, the most used first.

    Raises:
        InvalidInput: The time is too long.
    """
    until = end or datetime.now(UTC) + timedelta(days=1)
    since = start or until - timedelta(days=DAYS)
    if until - since > timedelta(days=DAYS_MAX):
        message = f"A time has at most {DAYS_MAX} days."
        raise InvalidInput(message, errors=[{"location": "query.from", "message": message}])
    count = {"day": usage.by_day, "model": usage.by_model, "key": usage.by_key}[by]
    return await count(session, user_id, first_id_at(since), first_id_at(until))
