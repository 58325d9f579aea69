"""The parameters `from` and `to`: days or times, in UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated

from fastapi import Query

from ml_service.domain.errors import InvalidInput

From = Annotated[
    str | None,
    Query(
        alias="from",
        max_length=40,
        description="Only from this day or time on (ISO 8601; without an offset it is UTC).",
        examples=["2026-11-26"],
    ),
]
To = Annotated[
    str | None,
    Query(
        alias="to",
        max_length=40,
        description="Only up to the end of this day, or before this time.",
        examples=["2026-11-26T12:00:00Z"],
    ),
]


_DAY = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile("[0-9]{4}-?[0-9]{2}-?[0-9]{2}[Tt ].+")
"""Without a time of day, other spellings of a day, and weeks, would be taken for a midnight."""


def start_of(value: str | None) -> datetime | None:
    """The moment from which on something is wanted; raises InvalidInput."""
    return None if value is None else _moment("from", value, days=0)


def end_of(value: str | None) -> datetime | None:
    """The moment before which something is wanted: of a day its end; raises InvalidInput."""
    return None if value is None else _moment("to", value, days=1)


def _moment(name: str, value: str, *, days: int) -> datetime:
    try:
        return _parsed(value, days)
    except (ValueError, OverflowError):
        message = "Give a day such as 2026-11-26, or a time such as 2026-11-26T12:00:00Z."
        raise InvalidInput(message, errors=[{"location": f"query.{name}", "message": message}]) from None


def _parsed(value: str, days: int) -> datetime:
    """A time, or so many days after the beginning of a day; raises ValueError or OverflowError."""
    if _DAY.fullmatch(value):
        return datetime.combine(date.fromisoformat(value), time(), UTC) + timedelta(days=days)
    if not _TIME.fullmatch(value):
        raise ValueError(value)
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
