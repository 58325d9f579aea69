"""The two parameters of every page."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

from ml_service.domain.errors import InvalidInput

Limit = Annotated[int, Query(ge=1, le=1000, description="How many on a page, up to a setting (200).")]
Cursor = Annotated[str | None, Query(max_length=64, description="`next_cursor` of the page before.")]


def checked_limit(limit: int, limit_max: int) -> int:
    """The limit, if the setting allows it; raises InvalidInput."""
    if limit > limit_max:
        message = f"A page has at most {limit_max} items."
        raise InvalidInput(message, errors=[{"location": "query.limit", "message": message}])
    return limit
