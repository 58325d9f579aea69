"""Who works, and how much waits: for the status, the health and the metrics."""

from __future__ import annotations

from dataclasses import dataclass

from ml_service.storage import outbox, predictions, workers
from ml_service.storage.database import Session
from ml_service.storage.workers import Worker

COUNT_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Overview:
    """The live workers, and how many predictions are unfinished or not sent yet, each counted up to a million."""

    workers: tuple[Worker, ...]
    open: int
    unsent: int


async def overview(session: Session) -> Overview:
    """Look at the whole service."""
    return Overview(
        workers=tuple(await workers.list_live(session)),
        open=await predictions.count_open(session, COUNT_MAX),
        unsent=await outbox.count(session, COUNT_MAX),
    )


async def list_live(session: Session) -> list[Worker]:
    """The workers that have not stopped, oldest first."""
    return await workers.list_live(session)
