"""Receiving a bulk job: each line is checked and stored as it comes, in chunks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ml_service.domain.bulk import Chunk, ReadLine
from ml_service.domain.credentials import Principal
from ml_service.domain.errors import DatabaseUnavailable, InvalidInput, TooManyQueued
from ml_service.domain.ids import new_id
from ml_service.domain.models import ListedModel
from ml_service.domain.predictions import Source
from ml_service.storage import bulk_jobs
from ml_service.storage.database import Database
from ml_service.usecases.bulk_reading import Reader
from ml_service.usecases.inputs import encode_input

CHUNK_LINES = 1000
CHUNK_BYTES = 1_000_000
LINE_OVERHEAD_BYTES = 4096
ESCAPES = 6
"""JSON may spell a letter of one byte by six, and a file may hold an input as it is longest."""
SEEN_S = 5.0
"""How often the job's row says that its sender is still there."""
WORK_S_MAX = 0.005
"""How long lines are checked before others get their turn."""
ERRORS_MAX = 10
ERROR_LENGTH_MAX = 500
GONE = "The service gave this upload up meanwhile; send it again."


@dataclass(frozen=True, slots=True)
class BulkLimits:
    """What a job may hold; each but the first is a setting of the same name."""

    input_bytes_max: int
    bulk_lines_max: int
    bulk_jobs_per_user_max: int

    @property
    def line_bytes_max(self) -> int:
        """Of one line as it is sent."""
        return ESCAPES * self.input_bytes_max + LINE_OVERHEAD_BYTES


class Receiving:
    """A job while it is received: checks lines and stores them in chunks."""

    def __init__(
        self, database: Database, limits: BulkLimits, listed: ListedModel, why_not: Callable[[Any], str | None]
    ) -> None:
        self.id = new_id()
        self._database = database
        self._limits = limits
        self._listed = listed
        self._why_not = why_not
        self._chunk = Chunk([], [], [], [])
        self._chunk_bytes = 0
        self._chunks = 0
        self._lines = 0
        self._valid = 0
        self._errors: list[dict[str, str]] = []
        self._seen_at = time.monotonic()
        self._pauses_at = self._seen_at

    @property
    def model(self) -> str:
        """The name of the model."""
        return self._listed.spec.name

    @property
    def cost(self) -> int:
        """Credits for all lines so far that are valid."""
        return self._listed.price_credits * self._valid

    async def begin(self, principal: Principal, source: Source) -> None:
        """Make the job's row; raises TooManyQueued."""
        spec = self._listed.spec
        async with self._database.begin() as session:
            is_made = await bulk_jobs.create(
                session,
                self.id,
                principal.user_id,
                source,
                model=spec.name,
                version=spec.version,
                pool=spec.pool,
                price_credits=self._listed.price_credits,
                open_max=self._limits.bulk_jobs_per_user_max,
            )
        if not is_made:
            limit = self._limits.bulk_jobs_per_user_max
            message = f"At most {limit} bulk jobs of a user may be unfinished; wait for one, or cancel it."
            raise TooManyQueued(message, retry_after_s=10.0)

    async def take(self, pieces: AsyncIterator[bytes], reader: Reader) -> None:
        """Check and store all lines; raises InvalidInput where none is valid, or there are too many."""
        async for piece in pieces:
            await self._add(reader.push(piece))
            if time.monotonic() - self._seen_at > SEEN_S:
                self._seen_at = time.monotonic()
                async with self._database.autocommit() as session:
                    await bulk_jobs.still_receiving(session, self.id)
            await asyncio.sleep(0)  # a fast sender must not keep others waiting
        await self._add(reader.end())
        await self._store()
        if not self._valid:
            raise self._nothing_valid()

    async def _add(self, lines: Iterable[ReadLine | None]) -> None:
        for line in lines:
            if time.monotonic() > self._pauses_at:  # the lines of one piece may be tens of thousands
                await asyncio.sleep(0)
                self._pauses_at = time.monotonic() + WORK_S_MAX
            if line is None:
                continue
            self._lines += 1
            if self._lines > self._limits.bulk_lines_max:
                message = f"A bulk job has at most {self._limits.bulk_lines_max} lines."
                raise InvalidInput(message, errors=[{"location": "body", "message": message}])
            text, error = self._checked(line)
            self._chunk.lines.append(line.number)
            self._chunk.refs.append(line.ref)
            self._chunk.inputs.append(text)
            self._chunk.errors.append(error)
            self._chunk_bytes += len(text or "") + len(error or "")
            if len(self._chunk.lines) >= CHUNK_LINES or self._chunk_bytes >= CHUNK_BYTES:
                await self._store()
                if not self._valid:  # the first thousand lines tell what kind of file this is
                    raise self._nothing_valid()

    def _checked(self, line: ReadLine) -> tuple[str | None, str | None]:
        """The input as JSON, or what is wrong with it."""
        error = line.error
        if error is None:
            try:
                text = encode_input(line.value, self._limits.input_bytes_max)
            except InvalidInput as refused:
                error = refused.message
            else:
                error = self._why_not(line.value)
                if error is None:
                    return text, None
        error = error[:ERROR_LENGTH_MAX].replace("\0", "")
        if len(self._errors) < ERRORS_MAX:
            self._errors.append({"location": f"body.{line.number}", "message": error})
        return None, error

    async def _store(self) -> None:
        if not self._chunk.lines:
            return
        async with self._database.autocommit() as session:
            if not await bulk_jobs.add_chunk(session, self.id, self._chunks, self._chunk):
                raise DatabaseUnavailable(GONE, retry_after_s=1.0)
        self._seen_at = time.monotonic()
        self._valid += self._chunk.valid
        self._chunks += 1
        self._chunk, self._chunk_bytes = Chunk([], [], [], []), 0

    def _nothing_valid(self) -> InvalidInput:
        if not self._lines:
            message = "There are no lines."
            return InvalidInput(message, errors=[{"location": "body", "message": message}])
        return InvalidInput(f"None of the first {self._lines} lines is valid.", errors=self._errors)
