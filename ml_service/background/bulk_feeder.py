"""Feeds bulk jobs to the outbox, counts what has ended, and ends jobs; deletes what was never received whole.

The batch feeder takes predictions from the outbox in turns over users. A job has only as many lines there as the
workers finish in a few seconds, so that everything that reads open predictions stays as fast as without the job.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from ml_service.background.version_watch import GAP_S
from ml_service.domain.bulk import BulkJob, BulkStatus
from ml_service.domain.ids import new_id
from ml_service.domain.ledger import Actor, ActorKind
from ml_service.storage import bulk_feeding, bulk_jobs
from ml_service.storage.bulk_feeding import FeedJob
from ml_service.storage.database import Database
from ml_service.usecases import webhooks

log = structlog.get_logger()

JOBS_MAX = 1000
"""Jobs that one round looks at."""
LINES_FED_MAX = 20_000
"""Unfinished predictions of all jobs of a pool; but a user who has none gets a chunk, and a chunk is fed whole."""
FEED_S_MAX = 1.0
SETTLED_TOGETHER = 5
COUNTED_CHUNKS = 2
COUNT_S = 1.0
"""How old the count of a chunk that is being worked on may be."""
CANCELED_TOGETHER = 500
FORGOTTEN_TOGETHER = 20
DELETED_TOGETHER = 20
SILENT_S = 120.0
"""A job whose sender is heard of no more is deleted after so long: its process has died."""
SWEEPER = Actor(ActorKind.SYSTEM, "sweeper")


class BulkFeeder:
    """Keeps bulk jobs going.

    Args:
        relaxed: May commit without waiting for the disk: what a crash undoes is done again.
        encode: A job as the API shows it, in JSON, for webhooks.
        gone_s: A job fails when no worker has been able to serve its version for this many seconds.
    """

    def __init__(
        self, database: Database, relaxed: Database, *, gone_s: float, encode: Callable[[BulkJob], str]
    ) -> None:
        self._durable = database
        self._database = relaxed
        self._gone_s = gone_s
        self._encode = encode
        self._counted_at: dict[UUID, float] = {}

    async def feed(self) -> None:
        """Look at the unfinished jobs, again and again while there is something to do at once, for a second at most."""
        clock = asyncio.get_running_loop().time
        end = clock() + FEED_S_MAX
        while await self._look() and clock() < end:
            pass

    async def _look(self) -> bool:
        """Look at each unfinished job once; returns whether there may be more to do at once."""
        async with self._database.autocommit() as session:
            jobs = await bulk_feeding.unfinished(session, JOBS_MAX)
        self._counted_at = {job.id: self._counted_at.get(job.id, 0.0) for job in jobs}
        is_busy = False
        for job in jobs:
            is_busy = await self._follow(job) or is_busy
        for job, room in shares(jobs):
            is_busy = await self._feed_job(job, room) or is_busy
        return is_busy

    async def _follow(self, job: FeedJob) -> bool:
        """Count what has ended of a job, and end it where that is all."""
        if job.is_canceled:
            async with self._database.begin() as session:
                await bulk_jobs.cancel_some(session, job.user_id, job.id, CANCELED_TOGETHER)
        async with self._database.autocommit() as session:
            settled = await bulk_feeding.settle(session, job, SETTLED_TOGETHER)
            now_s = asyncio.get_running_loop().time()
            if job.fed and now_s - self._counted_at[job.id] >= COUNT_S:
                self._counted_at[job.id] = now_s
                await bulk_feeding.count_partial(session, job.id, COUNTED_CHUNKS)
            if job.is_stopped and not await bulk_feeding.forget_inputs(session, job.id, FORGOTTEN_TOGETHER):
                return True
        if job.is_all_fed or job.is_stopped:
            await self._finish(job.id)
        return settled > 0

    async def _finish(self, bulk_id: UUID) -> None:
        async with self._durable.begin() as session:
            job = await bulk_feeding.finish(session, bulk_id)
            if job is None:
                return
            await webhooks.owe_bulk_finished(session, job.user_id, job.id, self._encode(job))
        log.info("bulk_job_ended", bulk_id=str(job.id), status=job.status, lines=job.lines, succeeded=job.succeeded)

    async def _feed_job(self, job: FeedJob, room: int) -> bool:
        """Feed the next chunk, if there is one; returns whether there is room for more."""
        async with self._database.autocommit() as session:
            found = await bulk_feeding.errors_of(session, job.id, job.chunks_fed)
            if found is None:
                return False
            lines, errors = found
            ids = [None if errors and errors[place] is not None else new_id() for place in range(lines)]
            fed = await bulk_feeding.feed(session, job.id, job.chunks_fed, ids)
        return fed is not None and fed < room

    async def sweep(self) -> None:
        """Delete what was never received whole, and fail jobs whose version no worker serves any more."""
        async with self._database.autocommit() as session:
            abandoned = await bulk_jobs.abandoned(session, SILENT_S)
            gone = await bulk_feeding.of_gone_versions(session, self._gone_s, gap_s=GAP_S)
        for bulk_id in gone:
            async with self._database.begin() as session:
                await bulk_jobs.stop(session, bulk_id, None, BulkStatus.FAILED, SWEEPER, error_code="version_gone")
            log.warning("bulk_job_failed", bulk_id=str(bulk_id), why="no worker serves its version")
        await self._delete(abandoned)

    async def _delete(self, bulk_ids: Sequence[UUID]) -> None:
        for bulk_id in bulk_ids:
            is_deleted = False
            while not is_deleted:
                async with self._database.autocommit() as session:
                    is_deleted = await bulk_jobs.delete_some(session, bulk_id, DELETED_TOGETHER, is_finished=False)


def shares(jobs: Sequence[FeedJob]) -> list[tuple[FeedJob, int]]:
    """The jobs that may be fed, each with its room in lines: a user's oldest in each pool, users alike.

    Args:
        jobs: All that are unfinished, the oldest first. What is open of those that are fed no more takes room, too, but
            for parked ones, whose lines no worker has before it.
    """
    first: dict[tuple[str, UUID], FeedJob] = {}
    open_of_user: Counter[tuple[str, UUID]] = Counter()
    open_of_pool: Counter[str] = Counter()
    for job in jobs:
        if job.is_parked:
            continue
        open_of_user[job.pool, job.user_id] += job.fed
        open_of_pool[job.pool] += job.fed
        if not (job.is_stopped or job.is_all_fed):
            first.setdefault((job.pool, job.user_id), job)
    users = Counter(pool for pool, _ in first)
    found = []
    for user, job in sorted(first.items(), key=lambda one: open_of_user[one[0]]):
        free = LINES_FED_MAX - open_of_pool[job.pool]
        room = min(free, LINES_FED_MAX // users[job.pool] - open_of_user[user])
        if open_of_user[user] == 0:
            room = max(room, 1)
        if room > 0:
            found.append((job, room))
            open_of_pool[job.pool] += room
    return found
