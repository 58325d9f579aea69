"""One line at level error for what a model fails on: its author has to mend it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

import structlog

from ml_service.runtime.model_answers import INPUT_REJECTED, MODEL_BUSY, Failure, ModelAnswer

LINES_PER_SECOND_MAX = 50

_log = structlog.get_logger(__name__)


class FailureLog:
    """Says on which inputs a model fails, and why; neighbours of a batch that fail alike share a line."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._second, self._lines, self._dropped = 0, 0, 0

    def note(self, answers: Iterable[ModelAnswer]) -> None:
        """Log the failures among these answers; not what the model has refused by its own rules."""
        failures = [one for one in answers if isinstance(one, Failure) and one.code not in (INPUT_REJECTED, MODEL_BUSY)]
        for (code, error, place), inputs in Counter(
            (one.code, one.cause or one.message, one.place) for one in failures
        ).items():
            if self._may_say():
                at = {"at": place} if place else {}
                _log.error("model_failed_on_input", model=self._model, code=code, error=error, **at, inputs=inputs)

    def _may_say(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            if self._dropped:
                _log.error("model_failed_too_often_to_log", model=self._model, lines_dropped=self._dropped)
            self._second, self._lines, self._dropped = second, 0, 0
        self._lines += 1
        self._dropped += self._lines > LINES_PER_SECOND_MAX
        return self._lines <= LINES_PER_SECOND_MAX
