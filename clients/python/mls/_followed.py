"""What the events of one prediction say, the same for both clients."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from uuid import UUID

import httpx2

from mls._calls import FIRST_LOOK_S, Tries
from mls.errors import ApiError, ServiceUnreachable, StillRunning, UnexpectedAnswer
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
        self._timeout_s = timeout_s
        self._began = time.monotonic()

    def take(self, event: httpx2.ServerSentEvent) -> Update | None:
        """News, if the event is any; raises UnexpectedAnswer."""
        if event.event not in {"status", "queue"} or not event.data:
            return None
        try:
            return self._read(event)
        except (ValueError, LookupError, TypeError) as error:
            detail = "What came is no event of an ML Service."
            raise UnexpectedAnswer(UnexpectedAnswer.code, httpx2.codes.OK, detail) from error

    def _read(self, event: httpx2.ServerSentEvent) -> Update | None:
        data = json.loads(event.data)
        if event.event == "status":
            self._seen = Prediction.model_validate(data)
            self.last_event_id = event.id
            return Update(prediction=self._seen)
        if data is None or self._seen is None:
            return None
        return Update(prediction=self._seen, position=data["position"], estimated_s=data["estimated_s"])

    @property
    def left_s(self) -> float | None:
        """Seconds until the time is over; None where there is no timeout."""
        if self._timeout_s is None:
            return None
        timeout_s = self._timeout_s if self._seen is not None else max(self._timeout_s, FIRST_LOOK_S)
        return max(0.0, self._began + timeout_s - time.monotonic())

    @property
    def silence_s(self) -> float:
        """How long the next connection may say nothing: the service says every 15 s that it is still there."""
        return STREAM_SILENCE_S if self.left_s is None else min(max(0.01, self.left_s), STREAM_SILENCE_S)

    def check_time(self) -> None:
        """Raise StillRunning once the time is over, or ServiceUnreachable where nothing was heard in it."""
        if self.left_s is None or self.left_s > 0:
            return
        if self._seen is None:
            raise ServiceUnreachable(
                f"Nothing was heard of the prediction {self.prediction_id} in {self._timeout_s:g} s."
            )
        raise StillRunning(self._seen)

    def pause_s(self, tries: Tries, error: httpx2.TransportError | ApiError | None = None) -> float:
        """Seconds until the next connection, after the end of one; raises what ends it all."""
        if not isinstance(error, ApiError):
            self.check_time()  # a connection that was ended by the timeout is no failure of the service
        pause_s = RECONNECT_S if error is None else tries.pause_s(error)
        if self.left_s is None or pause_s < self.left_s:
            return pause_s
        if self._seen is None and isinstance(error, ApiError):
            raise error
        return self.left_s


@contextlib.contextmanager
def ended_in_time(response: httpx2.Response, left_s: float | None) -> Iterator[None]:
    """End the connection of an answer that is being read after ``left_s``.

    A thread looks at the clock: the reader waits for the next piece, and each heartbeat of the service, which
    `httpx2.EventSource` does not show, begins the timeout of reading from the start.
    """
    stream = response.extensions.get("network_stream")
    if left_s is None or stream is None or response.http_version == "HTTP/2":  # whose connection has others' requests
        yield
        return
    timer = threading.Timer(left_s, _end, [stream.get_extra_info("socket")])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _end(connection: socket.socket | None) -> None:
    """Wake the thread that reads from it: closing it would not."""
    if connection is not None:
        with contextlib.suppress(OSError):  # it has ended already
            socket.socket.shutdown(connection, socket.SHUT_RDWR)  # SSLSocket's own drops what the reader still uses
