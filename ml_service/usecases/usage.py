"""What a user has used in a period."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from ml_service.domain.errors import InvalidInput
from ml_service.domain.ids import first_id_at, time_of_id
from ml_service.storage import usage
from ml_service.storage.database import Session
from ml_service.storage.usage import By, Usage

DAYS = 30
"""Shown where no time is named, today included."""
DAYS_MAX = 366
"""A longer time would take long to count."""
ROWS = 50_000
"""Counted by one statement: one that counts a million takes longer than a statement may."""
A_DAY = timedelta(days=1)
FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)
"""Nothing is older, and earlier days would not bear the subtraction."""


async def usage_of(
    session: Session,
    user_id: UUID,
    by: By,
    start: datetime | None,
    end: datetime | None,
    *,
    rows_max: int = ROWS,
) -> list[Usage]:
    """A user's predictions by day, the earliest first, or by model or API key, the most used first.

    Of whole days nearly all have been summed by the background. What is newer, and a day of which only a part is
    asked for, is counted, some at a time, so that there may be any number of it. Call it at the start of a transaction.

    Raises:
        InvalidInput: The time is too long.
    """
    tomorrow = _midnight(datetime.now(UTC)) + A_DAY
    asked_to = end or tomorrow
    stop = end or tomorrow + A_DAY  # a process's clock may be ahead
    since = start or _midnight(max(FIRST_DAY, asked_to) - timedelta(days=DAYS))
    if since >= stop:
        return []
    if asked_to - since > timedelta(days=DAYS_MAX):
        message = f"A period has at most {DAYS_MAX} days."
        raise InvalidInput(message, errors=[{"location": "query.from", "message": message}])
    await usage.take_snapshot(session)
    found: list[Usage] = []
    from_id, until_id = first_id_at(since), first_id_at(stop)
    # The first midnight from `since` on, unless `stop` comes before it: the last day there is has none after it.
    whole_from = _midnight(since + min(A_DAY - timedelta.resolution, stop - since))
    whole_until = _midnight(stop)
    if whole_from < whole_until:
        days_from, days_until = first_id_at(whole_from), first_id_at(whole_until)
        found += await usage.summed(session, user_id, by, whole_from.date(), whole_until.date())
        found += await usage.passed(session, user_id, by, days_from, days_until)
        not_summed = min(max(days_from, await usage.summed_before(session)), days_until)
        ranges = [(from_id, days_from), (not_summed, days_until), (days_until, until_id)]
    else:
        ranges = [(from_id, until_id)]
    for first, last in ranges:
        async for day, piece_from, piece_until in _pieces(session, user_id, first, last, rows_max):
            found += await usage.counted(session, user_id, by, piece_from, piece_until, day)
    sums: dict[tuple[date | None, str | None, UUID | None], Usage] = {}
    for one in found:
        group = (one.day, one.model, one.key_id)
        sums[group] = _sum(sums[group], one) if group in sums else one
    if by == "key":
        names = await usage.key_names(session, [key_id for _, _, key_id in sums if key_id is not None])
        sums = {group: replace(one, key_name=names.get(group[2])) for group, one in sums.items()}
    return sorted(sums.values(), key=_place)


async def _pieces(
    session: Session, user_id: UUID, from_id: UUID, until_id: UUID, rows_max: int
) -> AsyncIterator[tuple[date, UUID, UUID]]:
    """Divide a range of a user's predictions into ranges of one day and so many rows."""
    while (first := await usage.first_id(session, user_id, from_id, until_id)) is not None:
        moment = time_of_id(first)
        day_end = min(until_id, first_id_at(_midnight(moment) + A_DAY))
        from_id = await usage.piece_end(session, user_id, first, day_end, rows_max) or day_end
        yield moment.date(), first, from_id


def _midnight(moment: datetime) -> datetime:
    """The beginning of its day."""
    return datetime.combine(moment.date(), time(), UTC)


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
