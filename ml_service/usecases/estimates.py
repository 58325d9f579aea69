"""How long predictions will take: by what waits before them, and by how long the last answers took."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from ml_service.domain.predictions import Prediction, Status
from ml_service.domain.submissions import SubmissionItem
from ml_service.platform.cached import Cached
from ml_service.storage import waiting
from ml_service.storage.database import Database
from ml_service.usecases.model_times import ModelTimes
from ml_service.usecases.models import Catalog

LOOK_S = 1.0
READ_MAX = 50_000
"""Of what waits; where there is more, nothing is estimated."""

Version = tuple[str, str]
"""A model's name and version."""


@dataclass(frozen=True, slots=True)
class PlaceInQueue:
    """Where a queued prediction stands.

    Attributes:
        position: 1 is the next one of its model's version.
        estimated_s: Seconds until its answer; None where no worker serves the version, or none has answered yet.
    """

    position: int
    estimated_s: float | None


@dataclass(frozen=True, slots=True)
class _Queues:
    """Ids of single predictions in their order, and numbers of items of batches; None: too many to tell."""

    singles: Mapping[Version, Sequence[UUID]] | None
    items: Mapping[Version, int] | None


class Estimates:
    """Estimates for one process. What waits is read at most once a second, and only while somebody asks."""

    def __init__(self, database: Database, catalog: Catalog, times: ModelTimes) -> None:
        self._database = database
        self._catalog = catalog
        self._times = times
        self._queues = Cached(self._look, LOOK_S)

    async def place(self, prediction: Prediction) -> PlaceInQueue | None:
        """Where a queued prediction stands; None for items of batches, which wait in turns over users.

        Raises:
            DatabaseUnavailable: It cannot be read.
        """
        if prediction.status is not Status.QUEUED or prediction.batch_id is not None or prediction.version is None:
            return None
        queues = await self._queues.get()
        if queues.singles is None:
            return None
        version = (prediction.model, prediction.version)
        before = bisect_left(queues.singles.get(version, ()), prediction.id)
        return PlaceInQueue(before + 1, await self._seconds(version, before + 1))

    async def seconds(self, items: Sequence[SubmissionItem], *, is_batch: bool) -> float | None:
        """Seconds until the last of ``items`` would have its answer, were they accepted now; None as in `PlaceInQueue`.

        Raises:
            DatabaseUnavailable: It cannot be read.
        """
        queues = await self._queues.get()
        if queues.singles is None or (is_batch and queues.items is None):
            return None
        found = []
        for version, count in Counter((item.model, item.version) for item in items).items():
            before = len(queues.singles.get(version, ()))
            if is_batch and queues.items is not None:
                before += queues.items.get(version, 0)
            found.append(await self._seconds(version, before + count))
        known = [one for one in found if one is not None]
        return max(known) if len(known) == len(found) else None

    def forget(self) -> None:
        """Look again when it is next asked."""
        self._queues.forget()

    async def _seconds(self, version: Version, place: int) -> float | None:
        """Until the ``place``-th in line has its answer: so many batches, shared by the version's workers."""
        name, number = version
        listed = next((one for one in self._catalog.versions(name) if one.spec.version == number), None)
        times = (await self._times.by_model()).get(name)
        if listed is None or not listed.workers or times is None:
            return None
        batches = math.ceil(place / (listed.spec.batch_size * listed.workers))
        return round(max(batches * times.predict_ms, times.median_ms) / 1000, 3)

    async def _look(self) -> _Queues:
        async with self._database.autocommit() as session:
            singles = await waiting.singles(session, READ_MAX)
            items = await waiting.items(session, READ_MAX)
        by_version: dict[Version, list[UUID]] = {}
        for one in singles:
            by_version.setdefault((one.model, one.version), []).append(one.id)
        return _Queues(
            singles=None if len(singles) >= READ_MAX else by_version,
            items=None if sum(items.values()) >= READ_MAX else items,
        )
