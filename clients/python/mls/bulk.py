"""Bulk jobs: files of up to a million lines, streamed in and out."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2

from mls.errors import SourceConsumed, unexpected
from mls.progress import OnProgress, Progress
from mls.types import Answered, JsonObject, PredictionError

PIECE_BYTES = 256 * 1024
LINE_BYTES_MAX = 64 * 2**20
"""Of one result or event: more than the largest input and output together. More is nothing of a service."""
POLL_S_MIN, POLL_S_MAX = 0.25, 5.0
CSV, JSON_LINES = "text/csv", "application/x-ndjson"
_KINDS = {".csv": CSV, ".jsonl": JSON_LINES, ".ndjson": JSON_LINES}

Source = str | os.PathLike[str] | Iterable[str | JsonObject]
"""A path of a ``.csv`` or ``.jsonl`` file, or inputs: texts or objects."""


class BulkJob(Answered):
    """A bulk job as it is now.

    Attributes:
        status: ``receiving``, ``running``, ``finished``, ``canceled`` or ``failed``.
        lines_invalid: Lines that the model does not take; they are free, and named in the results.
        cost_max: Credits that were held at the start; ``charged`` of them are paid so far.
        finished_at: When its last line had ended.
    """

    bulk_id: UUID
    status: str
    model: str
    version: str
    lines: int
    lines_invalid: int
    succeeded: int
    failed: int
    canceled: int
    cost_max: int
    charged: int
    estimated_s: float | None
    error_code: str | None
    created_at: datetime
    finished_at: datetime | None

    def progress(self, seconds: float) -> Progress:
        """How far it is, after so many seconds."""
        failed = self.failed + self.canceled + self.lines_invalid
        return Progress(self.succeeded + failed, self.lines, failed, seconds)


class BulkResult(Answered):
    """What became of a line.

    Attributes:
        id: The client's own, where the line had one.
        status: As of a prediction, or ``invalid`` where the model does not take the line.
    """

    line: int
    id: str | None
    status: str
    output: JsonObject | None
    error: PredictionError | None
    cost: int


class BulkNotFinished(Exception):
    """A bulk job did not end in the time that was given; it goes on.

    Attributes:
        job: As it was last seen.
    """

    def __init__(self, job: BulkJob) -> None:
        super().__init__(f"The bulk job {job.bulk_id} is still {job.status}.")
        self.job = job


class Poll:
    """Decides how often it is looked how far a job is."""

    def __init__(self, timeout_s: float | None, on_progress: OnProgress | None) -> None:
        self._began = time.monotonic()
        self._timeout_s = timeout_s
        self._on_progress = on_progress
        self._pause_s = POLL_S_MIN

    def pause_s(self, job: BulkJob) -> float | None:
        """Seconds until the next look; None when the job is over. Raises BulkNotFinished."""
        seconds = time.monotonic() - self._began
        if self._on_progress is not None:
            self._on_progress(job.progress(seconds))
        if job.finished_at is not None:
            return None
        if self._timeout_s is not None and seconds >= self._timeout_s:
            raise BulkNotFinished(job)
        self._pause_s = min(self._pause_s * 1.5, POLL_S_MAX)
        return self._pause_s if self._timeout_s is None else min(self._pause_s, self._timeout_s - seconds)


class Upload:
    """The body of a bulk job, from its beginning each time it is sent: by `Tries`, or with a new token after a 401.

    Attributes:
        media_type: Of the body.
        is_repeatable: False where the inputs can be read once only, as from a generator.
    """

    def __init__(self, source: Source) -> None:
        self._path: Path | None = None
        self._inputs: Iterable[str | JsonObject] = ()
        self._is_read = False
        if isinstance(source, str | os.PathLike):
            self._path = Path(source)
            try:
                self.media_type = _KINDS[self._path.suffix.lower()]
            except KeyError:
                raise ValueError("A bulk file is named .csv, .jsonl or .ndjson.") from None
            self.is_repeatable = True
        else:
            self._inputs = source
            self.media_type = JSON_LINES
            self.is_repeatable = iter(source) is not source

    def __iter__(self) -> Iterator[bytes]:
        """The body in pieces; raises OSError, and SourceConsumed where it is read again and cannot be."""
        if self._is_read and not self.is_repeatable:
            raise SourceConsumed("These inputs can be read once only and have to be sent again: give a list or a file.")
        self._is_read = True
        return _lines(self._inputs) if self._path is None else _pieces(self._path)


class AsyncUpload:
    """The same body for asyncio: it is read in a thread."""

    def __init__(self, upload: Upload) -> None:
        self._upload = upload

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pieces = iter(self._upload)
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece


class Lines:
    """Divides what comes in pieces at line feeds alone.

    httpx2's `iter_lines` divides as `str.splitlines` does, also at U+2028, U+2029 and U+0085, which JSON may contain.
    """

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._begun = bytearray()

    def take(self, piece: bytes) -> Iterator[bytes]:
        """The lines that end in this piece; raises UnexpectedAnswer for one of more than `LINE_BYTES_MAX`."""
        first, *others = piece.split(b"\n")
        self._add(first)
        for other in others:
            if self._is_whole:
                yield bytes(self._begun)
                self._begun.clear()
                self._add(other)
            else:
                self._add(b"\n" + other)

    @property
    def _is_whole(self) -> bool:
        """Whether a line feed ends here what has begun."""
        return True

    def rest(self) -> Iterator[bytes]:
        """The last line, where no line feed ends it."""
        if self._begun:
            yield bytes(self._begun)

    def _add(self, part: bytes) -> None:
        if len(self._begun) + len(part) > LINE_BYTES_MAX:
            raise unexpected(self._response, f"A line of the answer has more than {LINE_BYTES_MAX:,} bytes")
        self._begun += part


class Rows(Lines):
    """Divides a CSV file at the line feeds that are not within quotes; each row keeps its line feed."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(response)
        self._quotes = 0

    def take(self, piece: bytes) -> Iterator[bytes]:
        """The rows that end in this piece; raises as that of `Lines`."""
        for row in super().take(piece):
            yield row + b"\n"

    @property
    def _is_whole(self) -> bool:
        return self._quotes % 2 == 0

    def _add(self, part: bytes) -> None:
        super()._add(part)
        self._quotes += part.count(b'"')


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _lines(inputs: Iterable[str | JsonObject]) -> Iterator[bytes]:
    piece = bytearray()
    for one in inputs:
        value: Any = {"text": one} if isinstance(one, str) else one
        piece += json.dumps({"input": value}, ensure_ascii=False).encode() + b"\n"
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    if piece:
        yield bytes(piece)
