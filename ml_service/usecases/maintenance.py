"""The periodic work of the service: feeding batches, sending again what got lost, ending what is overdue.

Every app process runs this; the one that holds an advisory lock works, the others stand by.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NoReturn

import structlog

from ml_service.domain.errors import DatabaseUnavailable, QueueUnavailable, Unavailable
from ml_service.domain.models import DEFAULT_POOL
from ml_service.messaging.queue import Queue, Result, ResultMessage
from ml_service.storage import models, outbox, predictions, users, workers
from ml_service.storage.database import Database, Session
from ml_service.usecases.feeding import Feeding
from ml_service.usecases.publisher import Publisher

log = structlog.get_logger()

LEADER_LOCK = 780
"""The key of the session advisory lock that the working process holds."""
STANDBY_S = 1.0
LIMIT = 1000
"""Rows that one statement of the sweep takes, so that none of them takes long."""
PURGE_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often, and after how long; all in seconds.

    Attributes:
        feed_s: Between two looks at the queue while batches wait.
        sweep_s: Between two sweeps.
        purge_s: Between two clean-ups.
        resend_after_s: A prediction that the broker has not confirmed after so long is sent again.
        lost_after_s: One that is queued for so long while the queue is empty is sent again.
        silent_s: A worker that lost its lock is given so long to come back.
        keys_kept_s: How long an Idempotency-Key is remembered.
    """

    feed_s: float = 0.1
    sweep_s: float = 1.0
    purge_s: float = 60.0
    resend_after_s: float = 3.0
    lost_after_s: float = 30.0
    silent_s: float = 6.0
    keys_kept_s: float = 86_400.0


class Maintenance:
    """Elects itself and works until it is closed; whatever fails is logged and tried again.

    Attributes:
        is_leading: Whether this process is the one that works at this moment.
    """

    def __init__(
        self,
        database: Database,
        database_url: str,
        queue: Queue,
        publisher: Publisher,
        batch_size_of: Callable[[str], int],
        rhythm: Rhythm,
    ) -> None:
        self._database = database
        self._database_url = database_url
        self._queue = queue
        self._publisher = publisher
        self._batch_size_of = batch_size_of
        self._rhythm = rhythm
        self._feeding: defaultdict[str, Feeding] = defaultdict(Feeding)  # by pool
        self._empty_since: dict[str, float] = {}  # pool → since when its queue has been empty
        self._all_lost = False
        self._sent_again: set[str] = set()  # workers whose open work was sent again
        self._task: asyncio.Task[None] | None = None
        self.is_leading = False

    async def start(self) -> None:
        """Begin in the background; does not wait for anything."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, and let another process take over."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                async with self._database.own_connection(self._database_url, "ml-service maintenance") as leader:
                    while not await leader.fetchval("SELECT pg_try_advisory_lock($1)", LEADER_LOCK):  # noqa: ASYNC110
                        await asyncio.sleep(STANDBY_S)  # another process holds it, whose end is no event here
                    log.info("maintenance_leads")
                    self.is_leading = True
                    await self._lead(leader)
            except DatabaseUnavailable:
                pass  # every other part says so already
            except Exception as error:  # noqa: BLE001  a lost connection has many names, and the work must go on
                log.warning("maintenance_interrupted", error=repr(error))
            finally:
                self.is_leading = False
            await asyncio.sleep(STANDBY_S)

    async def _lead(self, leader: Session) -> None:
        self._sent_again.clear()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._stay_leader(leader))
            group.create_task(self._repeat(self.feed, self._rhythm.feed_s))
            group.create_task(self._repeat(self.sweep, self._rhythm.sweep_s))
            group.create_task(self._repeat(self.purge, self._rhythm.purge_s))

    async def _stay_leader(self, leader: Session) -> NoReturn:
        while True:
            await asyncio.sleep(STANDBY_S)
            await leader.execute("SELECT")  # the lock is gone if the connection is

    async def _repeat(self, work: Callable[[], Awaitable[None]], interval_s: float) -> NoReturn:
        while True:
            try:
                await work()
            except Unavailable as error:
                log.debug("maintenance_waits", work=work.__name__, error=error.message)
            await asyncio.sleep(interval_s)

    # Feeding: predictions of batches wait in the outbox and are sent in turns over the users, just enough to keep the
    # workers busy. So a single prediction, which is sent at once, never stands behind somebody's 100,000.

    async def feed(self) -> None:
        """Top the task queues up with predictions of batches."""
        async with self._database.autocommit() as session:
            pools = await outbox.bulk_pools(session)
        for pool in pools:
            depth = await self._queue.depth(pool)
            async with self._database.autocommit() as session:
                # The batch size of the first model decides: pools of very different models are better split.
                first = await outbox.next_bulk(session, pool, 1)
                if not first:
                    continue
                feeding, now_s = self._feeding[pool], asyncio.get_running_loop().time()
                feeding.keep(await predictions.open_among(session, feeding.looked_at), now_s)
                limit, in_message = feeding.next(now_s, depth.consumers, self._batch_size_of(first[0].model))
                unsent = await outbox.next_bulk(session, pool, limit) if limit else []
            if unsent:
                await self._publisher.send_now(unsent, in_message)
                feeding.sent([one.id for one in unsent], in_message, now_s)
                log.debug("fed", pool=pool, window=feeding.window, predictions=len(unsent), in_message=in_message)

    # The sweep: whatever should have been sent and is not on its way is sent again.

    async def sweep(self) -> None:
        """Send again what was lost, free what dead workers had claimed, end what is overdue."""
        await self._expire()
        await self._resend_of_gone_workers()
        await self._resend_lost()
        while True:
            async with self._database.autocommit() as session:
                unsent = await outbox.take_overdue(
                    session,
                    older_than_s=self._rhythm.resend_after_s,
                    again_after_s=self._rhythm.resend_after_s,
                    limit=LIMIT,
                )
            if unsent:
                log.info("sent_again", predictions=len(unsent), why="not confirmed")
                await self._publisher.send_now(unsent)
            if len(unsent) < LIMIT:
                return

    async def _expire(self) -> None:
        async with self._database.begin() as session:
            expired = await predictions.expire(session, LIMIT)
        if expired:
            log.info("expired", predictions=len(expired))
            results = tuple(Result(one.id, one.user_id, one.status) for one in expired)
            try:
                await self._queue.publish_results(ResultMessage(results))
            except QueueUnavailable as error:
                log.warning("results_not_announced", predictions=len(expired), error=error.message)

    async def _resend_of_gone_workers(self) -> None:
        async with self._database.begin() as session:
            gone = await workers.bury_gone(session, self._rhythm.silent_s)
            stopped = set(await workers.stopped(session))
        if gone:
            log.warning("workers_gone", workers=gone)
        self._sent_again &= stopped  # one that came back may die again
        fresh = stopped - self._sent_again
        if fresh:
            await self._send_again("worker gone", older_than_s=0, of_workers=sorted(fresh))
        self._sent_again |= fresh

    async def _resend_lost(self) -> None:
        # The news that the queue was made anew is told once; it is remembered until all has been sent again.
        self._all_lost = await self._queue.declare() or self._all_lost
        if self._all_lost:
            await self._send_again("the queue was made anew", older_than_s=0)
            self._all_lost = False
        async with self._database.autocommit() as session:
            pools = {DEFAULT_POOL, *await models.pools(session)}
        now = asyncio.get_running_loop().time()
        for pool in pools:
            if (await self._queue.depth(pool)).ready:
                self._empty_since.pop(pool, None)
            elif now - self._empty_since.setdefault(pool, now) > self._rhythm.lost_after_s:
                self._empty_since[pool] = now
                await self._send_again("queued, but in no queue", older_than_s=self._rhythm.lost_after_s, pool=pool)

    async def _send_again(
        self, why: str, *, older_than_s: float, of_workers: Sequence[str] | None = None, pool: str | None = None
    ) -> None:
        async with self._database.begin(outbox.SEND_AGAIN_S_MAX) as session:
            count = await outbox.send_again(session, older_than_s=older_than_s, of_workers=of_workers, pool=pool)
        if count:
            log.warning("sent_again", predictions=count, why=why)

    async def purge(self) -> None:
        """Delete what has served its time: limits, sessions, keys, workers."""
        async with self._database.autocommit() as session:
            await users.purge(session)
            await workers.purge(session)
        while True:
            async with self._database.autocommit() as session:
                gone = await predictions.purge_keys(session, self._rhythm.keys_kept_s, PURGE_MAX)
            if gone < PURGE_MAX:
                return
