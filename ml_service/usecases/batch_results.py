"""What became of a batch or of a bulk job, whichever an id names: sums, and rows some at a time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from ml_service.domain.bulk import BulkJob, BulkStatus, LineResult
from ml_service.domain.predictions import Prediction, Status
from ml_service.storage import batches, bulk_jobs, predictions
from ml_service.storage.database import Database, Session
from ml_service.usecases import bulk_results
from ml_service.usecases.bulk_results import ResultRow, kept

IDS_MAX = 200
BYTES_MAX = 500_000
"""Of the texts of one reading, beyond the first one's."""


@dataclass(frozen=True, slots=True)
class BatchState:
    """A batch or a bulk job as it is now, in rows and credits.

    Attributes:
        total: Rows; of a bulk job, valid lines.
        failed: Failed or expired.
        job: None: it is no bulk job.
    """

    id: UUID
    user_id: UUID
    total: int
    done: int
    failed: int
    canceled: int
    open: int
    paid: int
    job: BulkJob | None = None

    @property
    def stopped(self) -> BulkStatus | None:
        """How it ended early: canceled or failed; None: it did not."""
        if self.job is not None:
            return self.job.status if self.job.status in {BulkStatus.CANCELED, BulkStatus.FAILED} else None
        return BulkStatus.CANCELED if self.canceled == self.total else None


async def state(session: Session, user_id: UUID, batch_id: UUID) -> BatchState | None:
    """What a user's batch or bulk job has come to; None where there is none, or retention has deleted it."""
    job = await bulk_jobs.get(session, user_id, batch_id)
    if job is None:
        sums = await batches.sums(session, user_id, batch_id)
        return BatchState(batch_id, user_id, *sums) if sums.total else None
    total = job.lines - job.lines_invalid
    is_open = job.finished_at is None
    open_ = max(0, total - job.succeeded - job.failed - job.canceled) if is_open else 0
    return BatchState(job.id, job.user_id, total, job.succeeded, job.failed, job.canceled, open_, job.charged, job)


async def rows(
    database: Database, of: BatchState, before_piece: Callable[[], Awaitable[None]], *, after: int = 0
) -> AsyncGenerator[list[ResultRow], None]:
    """Its rows with their inputs, in the order of the request, some at a time, from number ``after`` + 1 on.

    A row of a bulk job has its number in the file and the sender's own id for it, one of a batch its place and the
    prediction's id. No connection is held while the reader is slow.

    Args:
        before_piece: Awaited before each reading; what it raises ends the rows.
    """
    if of.job is not None:
        async for some in bulk_results.results(database, of.job, before_piece, with_inputs=True, after_line=after):
            yield some
        return
    async with database.autocommit() as session:
        ids = await predictions.batch_ids(session, of.user_id, of.id)
    place = after
    while place < len(ids):
        await before_piece()
        async with database.autocommit() as session:
            found = await predictions.get_some(session, ids[place : place + IDS_MAX], bytes_max=BYTES_MAX)
        if not found:
            return  # retention has just dropped them
        yield [row_of(number, one) for number, one in enumerate(found.values(), place + 1)]
        place += len(found)


def row_of(number: int, one: Prediction) -> ResultRow:
    """The row of a batch's prediction, by its place."""
    cost = one.cost if one.status is Status.SUCCEEDED else 0
    return ResultRow(
        LineResult(number, str(one.id), one.status, kept(one.output), one.error, cost),
        kept(one.input),
    )
