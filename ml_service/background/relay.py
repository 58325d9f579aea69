"""The outbox relay: sends committed predictions to the queue in bursts, then deletes their outbox rows."""

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
from ml_service.storage.outbox import OutboxEntry

log = structlog.get_logger()

WAITING_MAX = 50_000
"""Most predictions that wait here for the broker; the sweeper sends what finds no room."""
BURST_MAX = 2048
DELETE_AFTER_S = 0.05
"""Bursts confirmed within so many seconds share one delete. A crash before it does no harm: they are sent twice."""


def task_messages(
    entries: Sequence[OutboxEntry], batch_size_of: Callable[[str, str], int], ids_max: int = IDS_MAX
) -> list[TaskMessage]:
    """Task messages for ``entries``: ids of one pool, model and version together, at most one batch in a message."""
    groups: defaultdict[tuple[str, str, str, bool], list[UUID]] = defaultdict(list)
    for entry in entries:
        groups[entry.pool, entry.model, entry.version, entry.bulk].append(entry.id)
    return [
        TaskMessage(pool=pool, model=model, version=version, ids=tuple(ids[start : start + size]), bulk=bulk)
        for (pool, model, version, bulk), ids in groups.items()
        for size in [max(1, min(ids_max, batch_size_of(model, version)))]
        for start in range(0, len(ids), size)
    ]


class Relay:
    """Sends what `send` is given, soon and together; what fails stays in the outbox for the sweeper.

    Args:
        database: May be one without durable commits: a delete that a crash undoes means a message sent twice.
        batch_size_of: The batch size by a model's name and version: a message holds at most one batch.
    """

    def __init__(self, database: Database, queue: Queue, batch_size_of: Callable[[str, str], int]) -> None:
        self._database = database
        self._queue = queue
        self._batch_size_of = batch_size_of
        self._waiting: list[OutboxEntry] = []
        self._work: asyncio.Task[None] | None = None
        self._confirmed: list[OutboxEntry] = []
        self._deleting: asyncio.Task[None] | None = None

    def send(self, entries: Sequence[OutboxEntry]) -> None:
        """Send soon; never waits, never fails. Only committed predictions may be passed."""
        room = WAITING_MAX - len(self._waiting)
        self._waiting.extend(entries[:room])
        if self._work is None and self._waiting:
            self._work = asyncio.create_task(self._send_all())

    async def send_now(self, entries: Sequence[OutboxEntry], ids_max: int = IDS_MAX) -> None:
        """Send, wait for the confirms, and delete the outbox rows.

        Args:
            ids_max: Most ids in one message.

        Raises:
            QueueUnavailable: The broker did not confirm; the outbox still has what was not confirmed.
            DatabaseUnavailable: Sent, but still in the outbox: it will be sent again, which does no harm.
        """
        await self._queue.publish_tasks(task_messages(entries, self._batch_size_of, ids_max))
        await self._delete(entries)

    async def drain(self) -> None:
        """Wait until everything given so far has been tried."""
        while tasks := [task for task in (self._work, self._deleting) if task is not None]:
            await asyncio.wait(tasks)

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                burst, self._waiting = self._waiting[:BURST_MAX], self._waiting[BURST_MAX:]
                try:
                    await self._queue.publish_tasks(task_messages(burst, self._batch_size_of))
                except QueueUnavailable as error:
                    log.warning("publish_failed", predictions=len(burst) + len(self._waiting), error=error.message)
                    self._waiting.clear()  # all of it is in the outbox; the sweeper tries again later
                    return
                self._confirmed += burst
                if self._deleting is None:
                    self._deleting = asyncio.create_task(self._delete_confirmed())
        finally:
            self._work = None

    async def _delete_confirmed(self) -> None:
        try:
            while self._confirmed:
                await asyncio.sleep(DELETE_AFTER_S)
                confirmed, self._confirmed = self._confirmed, []
                try:
                    await self._delete(confirmed)
                except DatabaseUnavailable as error:
                    log.warning("outbox_delete_failed", predictions=len(confirmed), error=error.message)
        finally:
            self._deleting = None

    async def _delete(self, sent: Sequence[OutboxEntry]) -> None:
        async with self._database.autocommit() as session:
            await outbox.delete(session, sent)
