"""A bulk job: a file of many lines, each of which becomes a prediction of one model version."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from ml_service.domain.predictions import PredictionError, Source


class BulkStatus(StrEnum):
    """Where a bulk job is on its way."""

    RECEIVING = "receiving"
    RUNNING = "running"
    FINISHED = "finished"
    CANCELED = "canceled"
    FAILED = "failed"


class BulkJob(msgspec.Struct, frozen=True):
    """A bulk job as it is now.

    Attributes:
        price_credits: Of a line, fixed at the start.
        lines_invalid: Lines that the model does not take; they are free, and the results say what is wrong with them.
        waiting: Valid lines that are no predictions yet: the job itself holds their price.
        failed: Lines without an answer although nobody canceled them: failed or expired.
        error_code: Why the job has failed.
        now: The database's time of this reading.
    """

    id: UUID
    user_id: UUID
    source: Source
    model: str
    version: str
    price_credits: int
    status: BulkStatus
    lines: int
    lines_invalid: int
    waiting: int
    succeeded: int
    failed: int
    canceled: int
    error_code: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    now: datetime

    @property
    def cost_max(self) -> int:
        """Credits that were held at the start."""
        return self.price_credits * (self.lines - self.lines_invalid)

    @property
    def charged(self) -> int:
        """Credits paid so far."""
        return self.price_credits * self.succeeded

    @property
    def estimated_s(self) -> float | None:
        """Seconds until the end at the speed so far; None while nothing is known."""
        if self.finished_at is not None:
            return 0.0
        ended = self.succeeded + self.failed + self.canceled
        if self.started_at is None or not ended:
            return None
        left = self.lines - self.lines_invalid - ended
        return left * (self.now - self.started_at).total_seconds() / ended


class ReadLine(NamedTuple):
    """A line of a file: its number, the client's own id for it, and the input or what is wrong with the line."""

    number: int
    ref: str | None
    value: Any
    error: str | None = None


class Chunk(NamedTuple):
    """Checked lines, to be stored together: lists of one length. Each line has either an input (JSON) or an error."""

    lines: list[int]
    refs: list[str | None]
    inputs: list[str | None]
    errors: list[str | None]

    @property
    def valid(self) -> int:
        """Lines that the model takes."""
        return len(self.lines) - sum(error is not None for error in self.errors)


class LineResult(NamedTuple):
    """What became of a line.

    Attributes:
        status: As of a prediction; ``invalid`` where the model does not take the line, ``queued`` before it is fed.
        output: JSON.
        cost: Credits paid for it.
    """

    line: int
    ref: str | None
    status: str
    output: str | None
    error: PredictionError | None
    cost: int
