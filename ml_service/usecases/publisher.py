"""Hands committed predictions to the queue, in bursts, and forgets them when the broker has confirmed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from uuid import UUID

import structlog

from ml_service.domain.errors import DatabaseUnavailable, QueueUnavailable
from ml_service.messaging.messages import IDS_MAX
from ml_service.messaging.queue import Queue, TaskMessage
from ml_service.storage import outbox
from ml_service.storage.database import Database
from ml_service.storage.outbox import Unsent

log = structlog.get_logger()

WAITING_MAX = 50_000
"""Predictions that wait here for the broker at the most; the sweep sends what finds no place."""
BURST_MAX = 2048
MARK_AFTER_S = 0.05
"""Bursts that were confirmed within so many seconds are marked by one statement. A mark that a crash forgets does no
harm: what it was for is sent twice."""


def bursts_of(
    unsent: Sequence[Unsent], batch_size_of: Callable[[str], int], ids_max: int = IDS_MAX
) -> list[TaskMessage]:
    """Task messages for ``unsent``: the ids of one pool and model together, at most one batch in a message."""
    groups: defaultdict[tuple[str, str, bool], list[UUID]] = defaultdict(list)
    for one in unsent:
        groups[one.pool, one.model, one.bulk].append(one.id)
    return [
        TaskMessage(pool=pool, model=model, ids=tuple(ids[start : start + size]), bulk=bulk)
        for (pool, model, bulk), ids in groups.items()
        for size in [max(1, min(ids_max, batch_size_of(model)))]
        for start in range(0, len(ids), size)
    ]


class Publisher:
    """Sends what `send` is given, soon and together; what fails stays in the outbox for the sweep.

    Args:
        database: May be one that does not wait for its disk: a mark that a crash forgets means that one is sent twice.
        batch_size_of: The batch size of a model by its name: a message holds at most one batch.
    """

    def __init__(self, database: Database, queue: Queue, batch_size_of: Callable[[str], int]) -> None:
        self._database = database
        self._queue = queue
        self._batch_size_of = batch_size_of
        self._waiting: list[Unsent] = []
        self._work: asyncio.Task[None] | None = None
        self._confirmed: list[Unsent] = []
        self._marking: asyncio.Task[None] | None = None

    def send(self, unsent: Sequence[Unsent]) -> None:
        """Send soon; never waits, never fails. Only committed predictions may be given."""
        room = WAITING_MAX - len(self._waiting)
        self._waiting.extend(unsent[:room])
        if self._work is None and self._waiting:
            self._work = asyncio.create_task(self._send_all())

    async def send_now(self, unsent: Sequence[Unsent], ids_max: int = IDS_MAX) -> None:
        """Send and mark before returning.

        Args:
            ids_max: In one message.

        Raises:
            QueueUnavailable: The broker did not confirm; the outbox still has what was not confirmed.
            DatabaseUnavailable: Sent, but not marked: it will be sent again, which does no harm.
        """
        await self._queue.publish_tasks(bursts_of(unsent, self._batch_size_of, ids_max))
        await self._mark(unsent)

    async def drain(self) -> None:
        """Wait until everything given so far was tried."""
        while tasks := [task for task in (self._work, self._marking) if task is not None]:
            await asyncio.wait(tasks)

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                burst, self._waiting = self._waiting[:BURST_MAX], self._waiting[BURST_MAX:]
                try:
                    await self._queue.publish_tasks(bursts_of(burst, self._batch_size_of))
                except QueueUnavailable as error:
                    log.warning("publish_failed", predictions=len(burst) + len(self._waiting), error=error.message)
                    self._waiting.clear()  # all of it is in the outbox; the sweep asks the broker again in a while
                    return
                self._confirmed += burst
                if self._marking is None:
                    self._marking = asyncio.create_task(self._mark_confirmed())
        finally:
            self._work = None

    async def _mark_confirmed(self) -> None:
        try:
            while self._confirmed:
                await asyncio.sleep(MARK_AFTER_S)
                confirmed, self._confirmed = self._confirmed, []
                try:
                    await self._mark(confirmed)
                except DatabaseUnavailable as error:
                    log.warning("outbox_mark_failed", predictions=len(confirmed), error=error.message)
        finally:
            self._marking = None

    async def _mark(self, sent: Sequence[Unsent]) -> None:
        async with self._database.autocommit() as session:
            await outbox.sent(session, [one.id for one in sent])
