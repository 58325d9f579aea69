"""What one lane does to the rows of its predictions; each is repeated until the database answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar
from uuid import UUID

import structlog

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.domain.models import ModelSpec
from ml_service.domain.predictions import Status
from ml_service.runtime.model_answers import MODEL_BUSY
from ml_service.storage import claiming, finishing, postponing, predictions
from ml_service.storage.claiming import Claimed
from ml_service.storage.database import Database
from ml_service.storage.finishing import Finish, Finished
from ml_service.storage.postponing import Postponement
from services.ml_worker.metrics import WorkerMetrics

log = structlog.get_logger()

RETRY_S = 0.5

Value = TypeVar("Value")


class LaneRows:
    """The rows of one model's predictions at one version, as far as this worker may touch them.

    Args:
        relaxed: The same database without waiting for its disk: for claims. One that a crash forgets is made again when
            its answer comes, if nobody else has claimed the row meanwhile.
        attempts_max: A prediction that was claimed so often is given up: whatever it meets takes the worker with it.
        retry_s_max: A model may ask for later attempts for so many seconds since a prediction was accepted.
    """

    def __init__(
        self,
        spec: ModelSpec,
        worker_id: str,
        database: Database,
        relaxed: Database,
        *,
        attempts_max: int,
        retry_s_max: float,
        metrics: WorkerMetrics,
    ) -> None:
        self._spec = spec
        self._worker_id = worker_id
        self._database = database
        self._relaxed = relaxed
        self._attempts_max = attempts_max
        self._retry_s_max = retry_s_max
        self._metrics = metrics

    async def claim(self, ids: list[UUID], redelivered: list[bool]) -> list[Claimed]:
        """Take what may be taken, see `claiming.claim`."""
        tries = 0

        async def claim() -> list[Claimed]:
            nonlocal tries
            tries += 1
            async with self._relaxed.autocommit() as session:
                return await claiming.claim(
                    session,
                    self._worker_id,
                    ids,
                    redelivered,
                    model=self._spec.name,
                    version=self._spec.version,
                    attempts_max=self._attempts_max,
                    is_retry=tries > 1,
                )

        return await _until_database(claim)

    async def give_back(self, ids: Sequence[UUID]) -> None:
        """Let the predictions that have not ended be queued again: this worker cannot run the model."""

        async def give_back() -> None:
            async with self._relaxed.autocommit() as session:
                await claiming.give_back(session, self._worker_id, ids)

        await _until_database(give_back)

    async def deadlines(self, ids: list[UUID]) -> dict[UUID, str]:
        """The deadlines of those that have one, in ISO 8601."""

        async def deadlines() -> dict[UUID, str]:
            async with self._relaxed.autocommit() as session:
                return await predictions.deadlines(session, ids)

        return await _until_database(deadlines)

    async def still_open(self, ids: list[UUID]) -> set[UUID]:
        """Those that have not ended. Asked once: raises DatabaseUnavailable."""
        async with self._database.autocommit() as session:
            return await predictions.open_among(session, ids)

    async def postpone(self, wanted: list[Postponement]) -> set[UUID]:
        """Queue again for later; returns those for which there is time."""

        async def postpone() -> set[UUID]:
            async with self._database.autocommit() as session:
                return await postponing.postpone(
                    session, self._worker_id, wanted, pool=self._spec.pool, retry_s_max=self._retry_s_max
                )

        postponed = await _until_database(postpone)
        log.info("predictions_postponed", model=self._spec.name, predictions=len(postponed))
        self._metrics.postponed(self._spec.name, len(postponed))
        return postponed

    async def finish(self, finishes: list[Finish]) -> list[Finished]:
        """Commit answers; returns what has ended. Those of rows that are no longer this worker's are dropped."""

        async def finish() -> list[Finished]:
            async with self._database.autocommit() as session:
                return await finishing.finish(session, self._worker_id, finishes)

        ended: list[Finished] = []
        while finishes:
            finished = await _until_database(finish)
            self._metrics.finished(self._spec.name, (one.status for one in finished))
            ended += finished
            if len(finished) == len(finishes):
                break
            missed = {one.id: one for one in finishes}
            for one in finished:
                del missed[one.id]
            finishes = await self._claim_forgotten(missed, ended)
            if dropped := len(missed) - len(finishes):
                # Canceled meanwhile, or claimed by another worker: the fence let the late answers fall.
                log.info("answers_dropped", model=self._spec.name, answers=dropped)
        return ended

    async def _claim_forgotten(self, missed: dict[UUID, Finish], ended: list[Finished]) -> list[Finish]:
        """Claim again what a crash of the database let be queued again; returns the answers under the new attempts.

        Claims do not wait for the disk, and the task is about to be acked: without this, such a prediction would be in
        no queue until the sweeper found it. An answer that the model asked to have later is left to the sweeper.
        """
        ids = [id_ for id_, one in missed.items() if one.error is None or one.error.code != MODEL_BUSY]
        again: list[Finish] = []
        for claimed in await self.claim(ids, [False] * len(ids)):
            if claimed.status == Status.PROCESSING:
                again.append(missed[claimed.id]._replace(attempt=claimed.attempt))
            else:
                ended.append(Finished(claimed.id, claimed.user_id, claimed.status))
        return again


async def _until_database(work: Callable[[], Awaitable[Value]]) -> Value:
    """Repeat ``work`` until the database answers. Nothing new is consumed meanwhile, for the prefetch is used up."""
    while True:
        try:
            return await work()
        except DatabaseUnavailable as error:
            log.warning("database_away", error=error.message)
            await asyncio.sleep(RETRY_S)
