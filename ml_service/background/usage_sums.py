"""Sums what users have used, so that nobody waits while a million predictions are counted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

import structlog

from ml_service.background.leader import Duty
from ml_service.domain.errors import Unavailable
from ml_service.domain.ids import first_id_at
from ml_service.storage import usage
from ml_service.storage.database import Database

log = structlog.get_logger()

LAG_S = 60.0
"""Seconds after which nothing can be accepted with an older id: a request takes a few, and clocks differ a little."""
ROWS_MAX = 20_000
"""Predictions that one statement sums: some tens of milliseconds."""
PAUSE_S = 0.05
"""Between two of them others get their turn."""
CHECKED_DAYS = 31


class UsageSums:
    """Sums predictions as they get older; see `ml_service/storage/usage.py`."""

    def __init__(
        self, database: Database, *, lag_s: float = LAG_S, rows_max: int = ROWS_MAX, pause_s: float = PAUSE_S
    ) -> None:
        self._database = database
        self._lag = timedelta(seconds=lag_s)
        self._rows_max = rows_max
        self._pause_s = pause_s

    def duties(self, interval_s: float, check_interval_s: float) -> list[Duty]:
        """What the leader repeats."""
        return [
            Duty("sum_usage", self.sum, interval_s),
            Duty("check_usage", self.check, check_interval_s),
        ]

    async def check(self) -> None:
        """Sum days again that got predictions after they were summed, for example from a process with a wrong clock."""
        today = datetime.now(UTC).date()
        for day in (today - timedelta(days=age) for age in range(1, CHECKED_DAYS + 1)):
            start = datetime.combine(day, time(), UTC)
            from_id, until_id = first_id_at(start), first_id_at(start + timedelta(days=1))
            try:
                async with self._database.begin(usage.CHECK_S_MAX) as session:
                    missing = await usage.sum_again_if_missing(session, day, from_id, until_id)
            except Unavailable as error:
                log.warning("usage_not_checked", day=str(day), reason=error.message)
                continue
            if missing:
                log.warning("usage_summed_again", day=str(day), missing=missing)
            await asyncio.sleep(self._pause_s)

    async def sum(self) -> int:
        """Sum all there is when it begins; returns how many predictions were summed or passed."""
        async with self._database.begin() as session:
            until_id = await usage.first_id_before(session, self._lag)
        total = 0
        done = -1
        while done:
            async with self._database.begin() as session:
                done = await usage.sum_some(session, until_id, self._rows_max)
            total += done
            await asyncio.sleep(self._pause_s)
        after_id: UUID | None = UUID(int=0)
        while after_id is not None:
            async with self._database.begin() as session:
                done, after_id = await usage.sum_passed(session, after_id, self._rows_max)
            total += done
            await asyncio.sleep(self._pause_s)
        return total
