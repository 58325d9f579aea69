"""The state of the service, for operators. Reads are bounded, and shared by all who look at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ml_service.domain.errors import InvalidInput, QueueUnavailable
from ml_service.messaging.queue import Queue
from ml_service.platform.cached import Cached
from ml_service.storage import models, outbox, service_load, workers
from ml_service.storage.database import Database, Session
from ml_service.storage.service_load import RecentWork, Step, Waiting, WaitingUser
from ml_service.storage.workers import Worker
from ml_service.usecases.workers import COUNT_MAX, failed_models

NOW_S = 2.0
SERIES_S = 5.0
LONG_SERIES_S = 60.0
"""How old a series with steps of an hour or more may be: it reads as much as sixty of a minute."""
STEPS_MAX = 60
MINUTES_MAX = 30 * 1440
PARTS_MAX = 24
PART_MINUTES = 5
LONG_WAIT_S = 60.0
USERS_MAX = 5


class StepLength(StrEnum):
    """How long each step of a series is."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def minutes(self) -> int:
        """The same in minutes."""
        return {StepLength.MINUTE: 1, StepLength.HOUR: 60, StepLength.DAY: 1440}[self]


@dataclass(frozen=True, slots=True)
class SeriesWanted:
    """Which series: of the last ``minutes``, in steps of ``step_minutes``, of one model or of all (None)."""

    minutes: int
    step_minutes: int
    model: str | None = None

    @classmethod
    def of(cls, minutes: int, step: StepLength | None, model: str | None = None) -> SeriesWanted:
        """Without a step, the shortest one with which there are at most `STEPS_MAX`; raises InvalidInput for more."""
        step_minutes = -(-minutes // STEPS_MAX) if step is None else step.minutes
        steps = -(-minutes // step_minutes)
        if steps > STEPS_MAX:
            message = f"That would be {steps} steps, of {STEPS_MAX} at most: ask for less time or longer steps."
            raise InvalidInput(message, errors=[{"location": "query.step", "message": message}])
        return cls(steps * step_minutes, step_minutes, model)


async def read_series(session: Session, wanted: SeriesWanted) -> list[Step]:
    """The last minutes in at most `STEPS_MAX` steps, the last of them going on."""
    parts = max(1, min(PARTS_MAX, wanted.step_minutes // PART_MINUTES))
    length, step = timedelta(minutes=wanted.minutes), timedelta(minutes=wanted.step_minutes)
    return await service_load.series(session, length, step, parts=parts, model=wanted.model)


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that a person has to look at.

    Attributes:
        code: For programs: ``no_workers``, ``model_not_served``, ``model_broken``, ``long_wait``, ``dead_letters``,
            ``queue_unavailable``.
        since: When it began, where that is known.
        count: Of predictions, workers or dead letters.
    """

    code: str
    since: datetime | None = None
    model: str | None = None
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Now:
    """The service at this moment.

    Attributes:
        users: Who has the most queued predictions, `USERS_MAX` at most.
        outbox: Predictions that the queue has not confirmed.
        dead_letters: None: the queue does not answer.
        serving: Live workers by name@version.
    """

    waiting: Sequence[Waiting]
    users: Sequence[WaitingUser]
    pace: RecentWork
    workers: Sequence[Worker]
    outbox: int
    dead_letters: int | None
    serving: Mapping[str, int]
    troubles: Sequence[Trouble]

    @property
    def queued(self) -> int:
        """Predictions that no worker has taken."""
        return sum(one.queued for one in self.waiting)

    @property
    def processing(self) -> int:
        """Predictions that workers have."""
        return sum(one.processing for one in self.waiting)

    @property
    def oldest_wait_s(self) -> float | None:
        """Seconds that the oldest queued prediction has waited."""
        return max((one.oldest_wait_s for one in self.waiting if one.oldest_wait_s is not None), default=None)

    @property
    def workers_alive(self) -> int:
        """Workers whose lease runs."""
        return sum(one.is_alive for one in self.workers)


class Operations:
    """Looks at the service for one process."""

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database = database
        self._queue = queue
        self._now = Cached(self._look, NOW_S)
        self._series: dict[SeriesWanted, Cached[list[Step]]] = {}

    async def now(self) -> Now:
        """The service at this moment, at most `NOW_S` old; raises DatabaseUnavailable."""
        return await self._now.get()

    async def series(self, wanted: SeriesWanted) -> list[Step]:
        """As `read_series`, some seconds old at most; raises DatabaseUnavailable."""

        async def look() -> list[Step]:
            async with self._database.autocommit() as session:
                return await read_series(session, wanted)

        if len(self._series) > STEPS_MAX:
            self._series.clear()
        age_s = SERIES_S if wanted.step_minutes < StepLength.HOUR.minutes else LONG_SERIES_S
        return await self._series.setdefault(wanted, Cached(look, age_s)).get()

    async def _look(self) -> Now:
        async with self._database.autocommit() as session:
            unfinished = await service_load.open_work(session, USERS_MAX)
            pace = await service_load.pace(session)
            live = await workers.list_live(session)
            unsent = await outbox.count(session, COUNT_MAX)
            unserved = await service_load.unserved_since(session)
            known = await models.enabled_names(session)
        try:
            dead_letters: int | None = await self._queue.count_dead()
        except QueueUnavailable:
            dead_letters = None
        waiting = unfinished.by_version
        serving: dict[str, int] = {}
        for worker in live:
            for model in worker.models if worker.is_alive else ():
                serving[model] = serving.get(model, 0) + 1
        return Now(
            waiting=waiting,
            users=unfinished.by_user,
            pace=pace,
            workers=live,
            outbox=unsent,
            dead_letters=dead_letters,
            serving=serving,
            troubles=[
                *_troubles_of_models(waiting, live, unserved, known),
                *_troubles_of_queues(waiting, live, dead_letters),
            ],
        )


def _troubles_of_models(
    waiting: Sequence[Waiting], live: Sequence[Worker], unserved: Mapping[str, datetime], known: set[str]
) -> list[Trouble]:
    queued: dict[str, int] = {}
    for one in waiting:
        queued[one.model] = queued.get(one.model, 0) + one.queued
    broken = {one.name: one for one in failed_models(live)}
    found = [
        Trouble("model_broken" if name in broken else "model_not_served", since, name, queued.get(name, 0))
        for name, since in unserved.items()
    ]
    return found + [
        Trouble("model_broken", None, name, len(one.workers)) for name, one in broken.items() if name not in known
    ]


def _troubles_of_queues(waiting: Sequence[Waiting], live: Sequence[Worker], dead_letters: int | None) -> list[Trouble]:
    found = []
    if not any(one.is_alive for one in live):
        found.append(Trouble("no_workers", max((one.heartbeat_at for one in live), default=None)))
    late = [one for one in waiting if one.oldest_wait_s is not None and one.oldest_wait_s > LONG_WAIT_S]
    found += [Trouble("long_wait", one.oldest_at, one.model, one.queued) for one in late]
    if dead_letters is None:
        found.append(Trouble("queue_unavailable"))
    elif dead_letters:
        found.append(Trouble("dead_letters", count=dead_letters))
    return found
