"""Writes the answers of a batch or a bulk job into a file, piece by piece: there may be a million of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from ml_service.storage.database import Database
from ml_service.usecases import batch_results
from ml_service.usecases.batch_results import BatchState
from services.bot.phrases import Phrases
from services.bot.views.files import BatchReport

SMALL_AT_ONCE = 3
LARGE_AT_ONCE = 2
"""Reports that a process writes and sends at a time: a container's temporary files are in its memory."""
LARGE_ROWS = 2000
"""From here on a report takes a while, and must not keep smaller ones waiting."""


class BatchReports:
    """Makes the reports of one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._small, self._large = asyncio.Semaphore(SMALL_AT_ONCE), asyncio.Semaphore(LARGE_AT_ONCE)

    @asynccontextmanager
    async def written(self, t: Phrases, of: BatchState, *, after: int = 0) -> AsyncIterator[BatchReport]:
        """The report of the rows behind number ``after``, as many as a file takes; its file is deleted at the end."""
        async with self._large if of.total >= LARGE_ROWS else self._small:
            report = BatchReport(t, after)
            try:
                async with aclosing(batch_results.rows(self._database, of, _nothing, after=after)) as pieces:
                    async for rows in pieces:
                        await asyncio.to_thread(report.add, rows)
                        if report.is_full:
                            break
                yield report
            finally:
                report.close()


async def _nothing() -> None:
    return
