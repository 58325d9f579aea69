"""Retention: makes partitions ahead, drops those whose time is over, and erases old texts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from ml_service.storage import batches, bulk_jobs, idempotency, retention
from ml_service.storage.database import Database
from ml_service.storage.retention import STATEMENT_S, Partition

log = structlog.get_logger()

PARTITIONS = 8
"""Partitions that a retention is divided into: what is dropped at once, and how long a row may outlive its time."""
WIDTH_WITHOUT_RETENTION = timedelta(days=90)
"""Few and wide: a statement that names no id looks into each partition."""
ERASE_ROWS_MAX = 1000
"""Rows that one statement erases; between two of them others get their turn."""
ERASE_PAUSE_S = 0.05
CHUNKS_MAX = 20
"""Chunks of bulk jobs that one statement deletes or changes."""
KEYS_MAX = 10_000
"""Idempotency keys or batches that one statement deletes."""


@dataclass(frozen=True, slots=True)
class Retained:
    """What one run has done."""

    dropped: tuple[str, ...] = ()
    erased: int = 0


class Retention:
    """Keeps predictions and their texts for so many days; None: forever. The ledger is always kept."""

    def __init__(self, database: Database, *, days: int | None, text_days: int | None) -> None:
        self._database = database
        self._days = days
        self._text_days = text_days

    async def retain(self) -> Retained:
        """Do all of it once, and say what was done."""
        await self._make_ahead()
        return Retained(await self._drop(), await self._erase())

    async def partitions(self) -> list[Partition]:
        """What there is on disk."""
        async with self._database.begin(STATEMENT_S) as session:
            await session.execute("SET LOCAL statement_timeout = 0")  # it counts what is unfinished
            return await retention.partitions(session)

    @property
    def _width(self) -> timedelta:
        return WIDTH_WITHOUT_RETENTION if self._days is None else timedelta(days=self._days) / PARTITIONS

    async def _make_ahead(self) -> None:
        async with self._database.begin() as session:
            made = await retention.make_partition(session, self._width)
        if made is not None:
            async with self._database.begin() as session:
                await retention.attach_partition(session, self._width)
            log.info("partition_made", partition=made)

    async def _drop(self) -> tuple[str, ...]:
        if self._days is None:
            return ()
        age = timedelta(days=self._days)
        # A key must not outlive what it stands for.
        while True:
            async with self._database.autocommit() as session:
                if await idempotency.delete_old(session, age.total_seconds(), KEYS_MAX) < KEYS_MAX:
                    break
        async with self._database.begin(STATEMENT_S) as session:
            await session.execute("SET LOCAL statement_timeout = 0")
            dropped = await retention.detach_partitions(session, age)
        async with self._database.begin(STATEMENT_S) as session:
            await session.execute("SET LOCAL statement_timeout = 0")
            await retention.drop_detached(session)
        if dropped:
            log.info("partitions_dropped", partitions=dropped)
        while True:
            async with self._database.autocommit() as session:
                if await batches.delete_old(session, age.total_seconds(), KEYS_MAX) < KEYS_MAX:
                    break
        await self._drop_bulk_jobs(age.total_seconds())
        return tuple(dropped)

    async def _drop_bulk_jobs(self, age_s: float) -> None:
        async with self._database.autocommit() as session:
            old = await bulk_jobs.old(session, age_s)
        for bulk_id in old:
            is_deleted = False
            while not is_deleted:
                async with self._database.autocommit() as session:
                    is_deleted = await bulk_jobs.delete_some(session, bulk_id, CHUNKS_MAX, is_finished=True)

    async def _erase(self) -> int:
        erased = 0
        while self._text_days is not None:
            async with self._database.autocommit() as session:
                passed = await retention.erase_passed_texts(session, ERASE_ROWS_MAX)
            async with self._database.autocommit() as session:
                count = await retention.erase_texts(session, timedelta(days=self._text_days), ERASE_ROWS_MAX)
            erased += count
            if not passed and not count:
                break
            await asyncio.sleep(ERASE_PAUSE_S)
        while self._text_days is not None:
            age_s = timedelta(days=self._text_days).total_seconds()
            async with self._database.autocommit() as session:
                if await bulk_jobs.erase_texts(session, age_s, CHUNKS_MAX) < CHUNKS_MAX:
                    break
            await asyncio.sleep(ERASE_PAUSE_S)
        if erased:
            log.info("texts_erased", predictions=erased)
        return erased
