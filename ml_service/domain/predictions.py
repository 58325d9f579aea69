"""A prediction: one request and its answer, and the states it may pass through.

The transitions are drawn in docs/state_machine.md. They are guarded here for readers and tests, and in the
schema (a trigger refuses to change a terminal row) for everybody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

JsonObject = dict[str, Any]

ERASED = "null"
"""What is stored for an input, and for an output where there was one, once the text is no longer kept.

No model takes or gives it: inputs and outputs are objects.
"""


class Status(StrEnum):
    """Where a prediction is on its way."""

    QUEUED = "queued"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.PROCESSING, Status.FAILED, Status.CANCELED, Status.EXPIRED}),
    # A claim after the worker died moves a row from processing to processing, with one attempt more.
    # A worker that cannot run the model gives the row back: it is queued again.
    Status.PROCESSING: frozenset(
        {Status.QUEUED, Status.PROCESSING, Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.EXPIRED}
    ),
    Status.SUCCEEDED: frozenset(),
    Status.FAILED: frozenset(),
    Status.CANCELED: frozenset(),
    Status.EXPIRED: frozenset(),
}

TERMINAL = frozenset(status for status, following in TRANSITIONS.items() if not following)


class Source(StrEnum):
    """The edge that a prediction came in by."""

    API = "api"
    WEB = "web"
    TELEGRAM = "telegram"
    CLI = "cli"


@dataclass(frozen=True, slots=True)
class PredictionError:
    """Why a prediction has no output: a stable code for programs, a sentence for people."""

    code: str
    message: str


class Prediction(msgspec.Struct, frozen=True):
    """One request and its answer.

    Attributes:
        cost: Credits, fixed at submit; held until the end, captured on success, released otherwise.
        input: The input as JSON text, valid against the model's input schema; or `ERASED`.
        output: The output as JSON text, present exactly when the status is ``succeeded``; `ERASED` with the input.
        attempts: How many times a worker has claimed it.
        predict_ms: Milliseconds its batch spent in the model.
        key_id: The API key that asked for it.
    """

    id: UUID
    user_id: UUID
    model: str
    version: str | None
    status: Status
    input: str
    output: str | None
    error: PredictionError | None
    cost: int
    source: Source
    batch_id: UUID | None
    worker_id: str | None
    attempts: int
    predict_ms: float | None
    deadline_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    key_id: UUID | None = None

    @property
    def charged(self) -> int:
        """Credits paid so far: the cost after success, else 0."""
        return self.cost if self.status is Status.SUCCEEDED else 0

    @property
    def is_erased(self) -> bool:
        """Whether its texts are no longer kept: input, output and the error's message."""
        return self.input == ERASED

    @property
    def is_terminal(self) -> bool:
        """Whether the status can never change again."""
        return self.status in TERMINAL
