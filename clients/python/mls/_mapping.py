"""What `map` yields and counts, the same for both clients."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sized
from dataclasses import dataclass
from typing import Any

from mls._calls import Input
from mls.errors import ApiError, InvalidInput, PayloadTooLarge
from mls.progress import OnProgress, Progress
from mls.types import JsonObject, Prediction


@dataclass(frozen=True, slots=True)
class Mapped:
    """An input and what became of it: a prediction, or the error with which the service refused it."""

    input: Input
    prediction: Prediction | None
    error: ApiError | None = None

    @property
    def is_success(self) -> bool:
        """Whether there is an output."""
        return self.prediction is not None and self.prediction.output is not None

    def result(self) -> JsonObject:
        """The output; raises ApiError or PredictionFailed."""
        if self.prediction is None:
            assert self.error is not None  # noqa: S101  one of the two
            raise self.error
        return self.prediction.result()


class Meter:
    """Counts what is done and tells it."""

    def __init__(self, inputs: Iterable[Any], on_progress: OnProgress | None) -> None:
        self._total = len(inputs) if isinstance(inputs, Sized) else None
        self._on_progress = on_progress
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._done = self._failed = 0

    def count(self, found: Mapped) -> None:
        """One more is done; told by one thread at a time."""
        with self._lock:
            self._done += 1
            self._failed += not found.is_success
            if self._on_progress is not None:
                seconds = time.monotonic() - self._began
                self._on_progress(Progress(self._done, self._total, self._failed, seconds))


def is_of_one_input(error: ApiError) -> bool:
    """Whether another input may do better."""
    return isinstance(error, InvalidInput | PayloadTooLarge)
