"""A prediction: one request and its answer, and the states it may pass through.

The transitions are drawn in docs/state_machine.md. They are guarded here for readers and tests, and in the
schema (a trigger refuses to change a terminal row) for everybody else.
"""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

JsonObject = dict[str, Any]


class Status(StrEnum):
    """Where a prediction is on its way."""

    QUEUED = "queued"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"


TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.QUEUED: frozenset({Status.PROCESSING, Status.CANCELED, Status.EXPIRED}),
    # A claim after the worker died moves a row from processing to processing, with one attempt more.
    Status.PROCESSING: frozenset({Status.PROCESSING, Status.SUCCEEDED, Status.FAILED, Status.CANCELED}),
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


@dataclass(frozen=True, slots=True)
class Prediction:
    """One request and its answer.

    Attributes:
        cost: Credits, fixed at submit; held until the end, captured on success, released otherwise.
        input: The input as JSON text, valid against the model's input schema.
        output: The output as JSON text, present exactly when the status is ``succeeded``.
        attempts: How many times a worker has claimed it.
        predict_ms: Milliseconds its batch spent in the model.
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

    @property
    def is_terminal(self) -> bool:
        """Whether the status can never change again."""
        return self.status in TERMINAL


_ids = threading.Lock()
_last_ms = 0
_counter = 0


def new_id() -> UUID:
    """Make a UUIDv7 (RFC 9562, section 5.7; method 1: a 12-bit counter in ``rand_a``).

    Ids of one process strictly increase, so that a batch keeps its order and index pages fill from the right.
    """
    global _last_ms, _counter  # noqa: PLW0603  the monotonic counter is the process's own
    random = int.from_bytes(os.urandom(10))
    with _ids:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms = now_ms
            _counter = random >> 70  # leaves room to count up within the millisecond
        else:
            _counter += 1
            if _counter > 0xFFF:  # noqa: PLR2004  twelve bits
                _last_ms += 1
                _counter = 0
        stamp, counter = _last_ms, _counter
    tail = random & ((1 << 62) - 1)
    return UUID(int=(stamp << 80) | (0x7 << 76) | (counter << 64) | (0b10 << 62) | tail)
