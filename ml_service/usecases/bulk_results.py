"""What became of a bulk job's lines, in the order of the file, some at a time."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple
from uuid import UUID

from ml_service.domain.bulk import BulkJob, BulkStatus, LineResult
from ml_service.domain.predictions import ERASED, PredictionError
from ml_service.storage import bulk_results
from ml_service.storage.bulk_results import IDS_MAX, StoredChunk
from ml_service.storage.database import Database


class ResultRow(NamedTuple):
    """A line's result, and its input as JSON where that was asked for and is known."""

    result: LineResult
    input: str | None


async def results(
    database: Database,
    job: BulkJob,
    before_piece: Callable[[], Awaitable[None]],
    *,
    with_inputs: bool = False,
    after_line: int = 0,
) -> AsyncIterator[list[ResultRow]]:
    """What became of each line, in the order of the file, some at a time, each with its input where that is wanted.

    No connection is held while the reader is slow.

    Args:
        before_piece: Awaited before each reading; what it raises ends the results.
        after_line: The number of the line after which to begin.
    """
    number = 0
    if after_line:
        async with database.autocommit() as session:
            number = await bulk_results.chunk_after(session, job.id, after_line)
    async for chunk in _chunks(database, job, before_piece, number):
        async for some in _results_of(database, job, chunk, after_line, with_inputs=with_inputs):
            yield some


class NamedLine(NamedTuple):
    """A line that the client gave an id, or that the model does not take.

    Attributes:
        prediction_id: None as long as the line has not been fed.
    """

    line: int
    ref: str | None
    error: str | None
    prediction_id: UUID | None


async def named_lines(
    database: Database, job: BulkJob, before_piece: Callable[[], Awaitable[None]]
) -> AsyncIterator[list[NamedLine]]:
    """What is kept of a job's lines themselves, in the order of the file, some at a time.

    Args:
        before_piece: Awaited before each reading; what it raises ends the lines.
    """
    async for chunk in _chunks(database, job, before_piece):
        nothing = [None] * len(chunk.lines)
        lists = (chunk.refs or nothing, chunk.errors or nothing, chunk.prediction_ids or nothing)
        lines = (NamedLine(*each) for each in zip(chunk.lines, *lists, strict=True))
        yield [one for one in lines if one.ref is not None or one.error is not None]


async def _chunks(
    database: Database, job: BulkJob, before_piece: Callable[[], Awaitable[None]], first: int = 0
) -> AsyncIterator[StoredChunk]:
    for number in itertools.count(first):
        await before_piece()
        async with database.autocommit() as session:
            chunk = await bulk_results.chunk(session, job.id, number)
        if chunk is None:
            return
        yield chunk


async def _results_of(
    database: Database, job: BulkJob, chunk: StoredChunk, after_line: int, *, with_inputs: bool
) -> AsyncIterator[list[ResultRow]]:
    unfed = _unfed(job)
    place, size = bisect_right(chunk.lines, after_line), len(chunk.lines)
    while place < size:
        end = min(size, place + IDS_MAX)
        ids = [one for one in (chunk.prediction_ids or [])[place:end] if one is not None]
        rows: list[Any] = []
        if ids:
            async with database.autocommit() as session:
                rows = await bulk_results.answers(session, ids, with_inputs=with_inputs)
        answers = iter(rows)
        found: list[ResultRow] = []
        for at in range(place, end):
            line, ref = chunk.lines[at], chunk.refs[at] if chunk.refs else None
            error = chunk.errors[at] if chunk.errors else None
            if error is not None:
                wrong = PredictionError("invalid_input", error)
                found.append(ResultRow(LineResult(line, ref, "invalid", None, wrong, 0), None))
            elif chunk.prediction_ids is None:
                found.append(ResultRow(unfed._replace(line=line, ref=ref), None))
            else:
                row = next(answers, None)
                if row is None:
                    break  # the next reading goes on here
                found.append(ResultRow(_result(line, ref, row), kept(row["input"])))
        place += len(found)
        yield found


def _unfed(job: BulkJob) -> LineResult:
    match job.status:
        case BulkStatus.CANCELED:
            return LineResult(0, None, "canceled", None, PredictionError("canceled", "The bulk job was canceled."), 0)
        case BulkStatus.FAILED:
            error = PredictionError(job.error_code or "failed", f"No worker serves {job.model}@{job.version} any more.")
            return LineResult(0, None, "failed", None, error, 0)
        case _:
            return LineResult(0, None, "queued", None, None, 0)


def _result(line: int, ref: str | None, row: Any) -> LineResult:
    if row["id"] is None:
        return LineResult(line, ref, "gone", None, PredictionError("not_found", "The answer is no longer kept."), 0)
    error = None if row["error_code"] is None else PredictionError(row["error_code"], row["error_message"] or "")
    cost = row["cost"] if row["status"] == "succeeded" else 0
    return LineResult(line, ref, row["status"], kept(row["output"]), error, cost)


def kept(text: str | None) -> str | None:
    """A stored text; None where it has been erased."""
    return None if text == ERASED else text
