"""Live workers and open work, for status, health and metrics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ml_service.domain.models import FailedModel, ListedModel, Serving
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


def failed_models(workers: Iterable[Worker]) -> list[FailedModel]:
    """The models that live workers cannot load, by name; a person has to look at each."""
    found: dict[str, list[tuple[str, str]]] = {}
    for worker in workers:
        for name, one in worker.model_states.items():
            if worker.is_alive and one.state == "failed":
                found.setdefault(name, []).append((worker.id, one.reason))
    return [
        FailedModel(name, reports[0][1], tuple(worker_id for worker_id, _ in reports))
        for name, reports in sorted(found.items())
    ]


def serving(listed: ListedModel, workers: Iterable[Worker]) -> Serving:
    """Whether a version of a model is served, by what live workers say of it."""
    if not listed.is_enabled:
        return Serving.DISABLED
    states = [worker.model_states.get(listed.spec.name) for worker in workers if worker.is_alive]
    found = {one.state for one in states if one is not None and one.version in {None, listed.spec.version}}
    if listed.is_live:
        return Serving.SLEEPING if "sleeping" in found and "ready" not in found else Serving.LIVE
    if "loading" in found:
        return Serving.LOADING
    return Serving.BROKEN if "failed" in found else Serving.GONE


async def list_live(session: Session) -> list[Worker]:
    """The workers that have not stopped, oldest first."""
    return await workers.list_live(session)
