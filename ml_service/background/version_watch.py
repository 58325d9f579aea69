"""Looks after predictions of model versions that no worker serves: sends them again, or ends them after a long time."""

from __future__ import annotations

import asyncio

import structlog

from ml_service.domain.errors import QueueUnavailable
from ml_service.messaging.queue import Queue, Result, ResultMessage
from ml_service.storage import model_versions, outbox
from ml_service.storage.database import Database

log = structlog.get_logger()

ROWS_MAX = 1000
"""Predictions that one statement ends, so that it holds no locks for long."""
WATCH_EVERY_S_MAX, END_EVERY_S_MAX = 5.0, 30.0
GAP_S = 30.0
"""A longer time without a leader does not count as time in which nobody served a version."""
REST = 20
"""After a look that took t seconds, rest at least REST × t: reading a long backlog never costs more than 5 %."""


class VersionWatch:
    """Notes which versions are served, and handles what waits for the others.

    Args:
        gone_s: A prediction fails with ``version_gone`` when no worker has served its version for so many seconds.
    """

    def __init__(self, database: Database, queue: Queue, *, gone_s: float) -> None:
        self._database = database
        self._queue = queue
        self._gone_s = gone_s
        self._end_at = 0.0

    async def look(self) -> None:
        """Do all of it once."""
        async with self._database.autocommit() as session:
            await model_versions.watch(session, every_s=min(WATCH_EVERY_S_MAX, self._gone_s / 4), gap_s=GAP_S)
        await self._unpark()
        loop = asyncio.get_running_loop()
        began = loop.time()
        if began >= self._end_at:
            await self._end_gone()
            self._end_at = loop.time() + max(min(END_EVERY_S_MAX, self._gone_s / 10), REST * (loop.time() - began))

    async def _unpark(self) -> None:
        # In one transaction: if writing to the outbox fails, the versions stay parked and the next look tries again.
        async with self._database.begin(outbox.RESEND_S_MAX) as session:
            served = await model_versions.unpark(session)
            count = await outbox.resend(session, older_than_s=0, of_models=served) if served else 0
        if served:
            log.info("predictions_resent", predictions=count, reason="served again", models=served)

    async def _end_gone(self) -> None:
        while True:
            async with self._database.begin(model_versions.END_S_MAX) as session:
                ended = await model_versions.end_gone(session, gone_s=self._gone_s, limit=ROWS_MAX)
            if ended:
                log.warning("predictions_version_gone", predictions=len(ended))
                results = tuple(Result(one.id, one.user_id, one.status) for one in ended)
                try:
                    await self._queue.publish_results(ResultMessage(results))
                except QueueUnavailable as error:
                    log.warning("results_not_announced", predictions=len(ended), error=error.message)
            if len(ended) < ROWS_MAX:
                return
