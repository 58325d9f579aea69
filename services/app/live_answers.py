"""Live answers: clients that wait for a prediction get it as soon as its row has changed.

The queue makes it fast, the table makes it sure. A waiter registers first and then reads its row, so that no answer
is missed. Results that come by the queue name rows to read; the states of all waited rows are read again after each
reconnect of the queue and every second, and the rows themselves where their state is another one.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from uuid import UUID

import structlog

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.domain.predictions import Prediction, Status
from ml_service.messaging.queue import Queue
from ml_service.storage import predictions
from ml_service.storage.database import Database

log = structlog.get_logger()

READ_AGAIN_S = 1.0
MESSAGES_MAX = 100
IDS_MAX = 1000
"""Rows of one statement."""
READ_BYTES_MAX = 4_000_000
"""Bytes of inputs and outputs that one read holds in memory."""
RECENT_MAX = 10_000
"""Results remembered: some tenths of a second of a busy service, while registering takes some microseconds."""


class Watch:
    """One waiter's view of one prediction."""

    def __init__(self) -> None:
        self._seen: Prediction | None = None
        self._changed = asyncio.Event()
        self._ended = False

    async def change(self, timeout_s: float) -> Prediction | None:
        """The prediction as soon as its state differs from the last one; None after ``timeout_s`` or at shutdown."""
        if not self._ended:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._changed.wait()
            except TimeoutError:
                return None
        if not self._changed.is_set() or self._ended:
            return None
        self._changed.clear()
        return self._seen

    async def until_terminal(self, timeout_s: float) -> Prediction | None:
        """The last state seen within ``timeout_s`` seconds: terminal if it came in time."""
        seen = None
        deadline = asyncio.get_running_loop().time() + timeout_s
        while (left := deadline - asyncio.get_running_loop().time()) > 0:
            now = await self.change(left)
            if now is None:
                return seen
            seen = now
            if now.is_terminal:
                return now
        return seen

    @property
    def ended(self) -> bool:
        """Whether the service is stopping and nothing more will be told."""
        return self._ended

    def is_news(self, status: Status, attempts: int) -> bool:
        """Whether this is another state than the last one that it was told."""
        return self._seen is None or (self._seen.status, self._seen.attempts) != (status, attempts)

    def tell(self, prediction: Prediction) -> None:
        """The row as it is now."""
        if self.is_news(prediction.status, prediction.attempts):
            self._seen = prediction
            self._changed.set()

    def end(self) -> None:
        """Nothing more will be told."""
        self._ended = True
        self._changed.set()


class LiveAnswers:
    """Tells waiters about their predictions. One for each process.

    Args:
        on_waiting: Told how many predictions are waited for, whenever that changes.
        tell_users: Told whose predictions have ended.
    """

    def __init__(
        self,
        database: Database,
        queue: Queue,
        on_waiting: Callable[[int], None],
        tell_users: Callable[[set[UUID]], None],
    ) -> None:
        self._database = database
        self._queue = queue
        self._tell_users = tell_users
        self._on_waiting = on_waiting
        self._watches: defaultdict[UUID, set[Watch]] = defaultdict(set)
        self._recent: dict[UUID, None] = {}  # an ordered set: the newest results last
        self._due: set[UUID] = set()
        self._wake = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    async def start(self) -> None:
        """Begin to listen; does not wait for the queue."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._read())]

    def release(self) -> None:
        """Let all waiters go with what they know: the process is about to stop."""
        self._stopping = True
        for watches in self._watches.values():
            for watch in watches:
                watch.end()

    async def close(self) -> None:
        """Stop listening."""
        self.release()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @contextmanager
    def watch(self, prediction_id: UUID, *, fresh: bool = False) -> Iterator[Watch]:
        """Register for any user's prediction: the caller has checked that it may be seen.

        Args:
            fresh: This process has just accepted it. Then its row is not read before there is news of it: a result
                that was faster than the registering is among the recent ones.
        """
        watch = Watch()
        if self._stopping:
            watch.end()
        self._watches[prediction_id].add(watch)
        self._on_waiting(len(self._watches))
        if not fresh or prediction_id in self._recent:
            self.look(prediction_id)
        try:
            yield watch
        finally:
            self._watches[prediction_id].discard(watch)
            if not self._watches[prediction_id]:
                del self._watches[prediction_id]
            self._on_waiting(len(self._watches))

    def look(self, prediction_id: UUID) -> None:
        """Read this row soon, if somebody waits for it: something has happened to it."""
        if prediction_id in self._watches:
            self._due.add(prediction_id)
            self._wake.set()

    async def _listen(self) -> None:
        async for ids in self._results():
            for prediction_id in ids:
                self.look(prediction_id)

    async def _results(self) -> AsyncIterator[list[UUID]]:
        connections = 0
        while True:
            try:
                async with self._queue.consume_results(None) as consumer:
                    while True:
                        deliveries = await consumer.get_batch(MESSAGES_MAX, 0, READ_AGAIN_S)
                        if consumer.connections != connections:
                            connections = consumer.connections
                            yield list(self._watches)  # something may have been missed
                        if deliveries:
                            ids = [result.id for one in deliveries for result in one.message.results]
                            self._tell_users({result.user_id for one in deliveries for result in one.message.results})
                            self._remember(ids)
                            yield ids
            except Exception as error:  # noqa: BLE001  the table still answers, every second
                log.warning("live_results_interrupted", error=repr(error))
                await asyncio.sleep(READ_AGAIN_S)

    def _remember(self, ids: list[UUID]) -> None:
        self._recent.update(dict.fromkeys(ids))
        for prediction_id in list(islice(self._recent, max(0, len(self._recent) - RECENT_MAX))):
            del self._recent[prediction_id]

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        next_full = loop.time() + READ_AGAIN_S
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, next_full - loop.time())):
                    await self._wake.wait()
            self._wake.clear()
            due, self._due = list(self._due), set()
            if loop.time() >= next_full:
                due += await self._changed(list(self._watches.keys() - set(due)))
                next_full = loop.time() + READ_AGAIN_S
            for start in range(0, len(due), IDS_MAX):
                await self._tell(due[start : start + IDS_MAX])

    async def _changed(self, ids: list[UUID]) -> list[UUID]:
        """Those of ``ids`` whose state is news to somebody; a row with its texts may be a megabyte."""
        found: list[UUID] = []
        for start in range(0, len(ids), IDS_MAX):
            try:
                async with self._database.autocommit() as session:
                    states = await predictions.states(session, ids[start : start + IDS_MAX])
            except DatabaseUnavailable:
                return found  # they are looked at again in a second
            except Exception:
                log.exception("live_read_failed")
                return found
            for id_, state in states.items():
                if any(one.is_news(*state) for one in self._watches.get(id_, ())):
                    found.append(id_)
        return found

    async def _tell(self, ids: list[UUID]) -> None:
        while ids:
            try:
                async with self._database.autocommit() as session:
                    found = await predictions.get_some(session, ids, bytes_max=READ_BYTES_MAX)
            except DatabaseUnavailable:
                return  # they are read again in a second
            except Exception:
                log.exception("live_read_failed")
                return
            for prediction in found.values():
                for watch in self._watches.get(prediction.id, ()):
                    watch.tell(prediction)
            if not found:
                return
            ids = ids[ids.index(next(reversed(found))) + 1 :]
