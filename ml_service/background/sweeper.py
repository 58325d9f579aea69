"""The sweeper: finds predictions that should be on their way and are not, sends them again, and ends overdue ones."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from ml_service.background.relay import Relay
from ml_service.domain.errors import QueueUnavailable
from ml_service.domain.models import DEFAULT_POOL
from ml_service.messaging.queue import Queue, Result, ResultMessage
from ml_service.storage import expiring, models, outbox, workers
from ml_service.storage.database import Database

log = structlog.get_logger()

ROWS_MAX = 1000
"""Rows that one statement of the sweep takes, so that none of them runs long."""
REST, REST_S_MAX = 20, 1.0
"""After a look for what is due that took t seconds, rest REST × t: it reads past what batches have in the outbox."""


class Sweeper:
    """Sends again what was lost, frees what dead workers had claimed, ends what is overdue.

    Args:
        resend_after_s: A prediction that the broker has not confirmed after so many seconds is sent again.
        lost_after_s: A prediction that stays queued for so many seconds while the queue is empty is sent again.
        silent_s: A worker that lost its advisory lock gets so many seconds to come back.
    """

    def __init__(
        self,
        database: Database,
        queue: Queue,
        relay: Relay,
        *,
        resend_after_s: float,
        lost_after_s: float,
        silent_s: float = 6.0,
    ) -> None:
        self._database = database
        self._queue = queue
        self._relay = relay
        self._resend_after_s = resend_after_s
        self._lost_after_s = lost_after_s
        self._silent_s = silent_s
        self._empty_since: dict[str, float] = {}  # pool → loop time since when its queue has been empty
        self._queue_recreated = False
        self._handled_workers: set[str] = set()  # stopped workers whose open work was sent again

    def forget(self) -> None:
        """Forget what an earlier term had handled: another leader may have worked since."""
        self._handled_workers.clear()

    async def sweep(self) -> None:
        """Look once for what is overdue, or was lost; `resend_due` sends it."""
        await self._expire()
        await self._resend_of_gone_workers()
        await self._resend_lost()

    async def resend_due(self) -> None:
        """Send what was postponed and is due, and what was not confirmed in time."""
        clock = asyncio.get_running_loop().time
        began = clock()
        while await self._resend_some_due() == ROWS_MAX:
            pass
        await asyncio.sleep(min(REST_S_MAX, REST * (clock() - began)))

    async def _resend_some_due(self) -> int:
        async with self._database.autocommit() as session:
            entries = await outbox.take_overdue(
                session, older_than_s=self._resend_after_s, again_after_s=2 * self._resend_after_s, limit=ROWS_MAX
            )
        if entries:
            log.info("predictions_resent", predictions=len(entries), reason="postponed, or not confirmed")
            await self._relay.send_now(entries)
        return len(entries)

    async def _expire(self) -> None:
        async with self._database.begin() as session:
            expired = await expiring.expire(session, ROWS_MAX)
        if expired:
            log.info("predictions_expired", predictions=len(expired))
            results = tuple(Result(one.id, one.user_id, one.status) for one in expired)
            try:
                await self._queue.publish_results(ResultMessage(results))
            except QueueUnavailable as error:
                log.warning("results_not_announced", predictions=len(expired), error=error.message)

    async def _resend_of_gone_workers(self) -> None:
        async with self._database.begin() as session:
            gone = await workers.stop_gone(session, self._silent_s)
            stopped = set(await workers.stopped(session))
        if gone:
            log.warning("workers_gone", workers=gone)
        self._handled_workers &= stopped  # a worker that came back may die again
        new = stopped - self._handled_workers
        if new:
            await self._resend("worker gone", older_than_s=0, of_workers=sorted(new))
        self._handled_workers |= new

    async def _resend_lost(self) -> None:
        # `declare` reports a recreated queue once; we remember it until everything has been sent again.
        self._queue_recreated = await self._queue.declare() or self._queue_recreated
        if self._queue_recreated:
            await self._resend("queue recreated", older_than_s=0)
            self._queue_recreated = False
        async with self._database.autocommit() as session:
            pools = {DEFAULT_POOL, *await models.pools(session)}
        now = asyncio.get_running_loop().time()
        for pool in pools:
            if (await self._queue.depth(pool)).ready:
                self._empty_since.pop(pool, None)
            elif now - self._empty_since.setdefault(pool, now) > self._lost_after_s:
                self._empty_since[pool] = now
                await self._resend("queued, but in no queue", older_than_s=self._lost_after_s, pool=pool)

    async def _resend(
        self, reason: str, *, older_than_s: float, of_workers: Sequence[str] | None = None, pool: str | None = None
    ) -> None:
        async with self._database.begin(outbox.RESEND_S_MAX) as session:
            count = await outbox.resend(session, older_than_s=older_than_s, of_workers=of_workers, pool=pool)
        if count:
            log.warning("predictions_resent", predictions=count, reason=reason)
