"""What the events of one prediction say, the same for both clients."""

from __future__ import annotations

import json
import time
from uuid import UUID

import httpx2

from mls.errors import StillRunning
from mls.types import Prediction, Update

STREAM_SILENCE_S = 45.0
RECONNECT_S = 1.0
"""A stream ends after ten minutes, and where the service restarts."""


class Followed:
    """A prediction that is followed over as many connections as it takes.

    Attributes:
        last_event_id: Where the next connection goes on.
    """

    def __init__(self, prediction_id: UUID | str, timeout_s: float | None) -> None:
        self.prediction_id = prediction_id
        self.last_event_id = ""
        self._seen: Prediction | None = None
        self._until = None if timeout_s is None else time.monotonic() + timeout_s

    def take(self, event: httpx2.ServerSentEvent) -> Update | None:
        """News, if the event is any."""
        if event.event not in {"status", "queue"} or not event.data:
            return None
        data = json.loads(event.data)
        if event.event == "status":
            self._seen = Prediction.model_validate(data)
            self.last_event_id = event.id
            return Update(prediction=self._seen)
        if data is None or self._seen is None:
            return None
        return Update(prediction=self._seen, position=data["position"], estimated_s=data["estimated_s"])

    @property
    def silence_s(self) -> float:
        """How long the next connection may say nothing: the service says every 15 s that it is still there."""
        if self._until is None or self._seen is None:
            return STREAM_SILENCE_S
        return min(max(0.01, self._until - time.monotonic()), STREAM_SILENCE_S)

    def check_time(self) -> None:
        """Raise StillRunning once the time is over."""
        if self._until is not None and self._seen is not None and time.monotonic() >= self._until:
            raise StillRunning(self._seen)
