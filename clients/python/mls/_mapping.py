"""What `map` yields and counts, the same for both clients."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sized
from concurrent.futures import Future
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Self

import httpx2

from mls._calls import Input
from mls.errors import ApiError, InvalidInput, PayloadTooLarge, ServiceUnreachable, StillRunning
from mls.progress import OnProgress, Progress
from mls.types import JsonObject, Prediction, PredictionFailed


@dataclass(frozen=True, slots=True)
class Mapped:
    """An input and what became of it.

    Attributes:
        prediction: None where the service refused the input, or did not say in time whether it takes it.
        error: Why there is no output: the refusal, `PredictionFailed`, `StillRunning`, or `ServiceUnreachable`.
    """

    input: Input
    prediction: Prediction | None
    error: ApiError | PredictionFailed | StillRunning | ServiceUnreachable | None = None

    @classmethod
    def of(cls, value: Input, came: Prediction | ApiError | StillRunning | ServiceUnreachable) -> Self:
        """What came for an input; raises what concerns all inputs."""
        if isinstance(came, Prediction):
            return cls(value, came, None if came.output is not None else PredictionFailed(came))
        if isinstance(came, StillRunning):
            return cls(value, came.prediction, came)
        is_late = isinstance(came.__cause__, httpx2.ReadTimeout)  # it was sent: the service is there
        if is_late or isinstance(came, InvalidInput | PayloadTooLarge):
            return cls(value, None, came)
        raise came

    @property
    def is_success(self) -> bool:
        """Whether there is an output."""
        return self.error is None

    def result(self) -> JsonObject:
        """The output; raises ``error``."""
        if self.error is not None:
            raise self.error
        assert self.prediction is not None  # noqa: S101  one of the two
        return self.prediction.result()


def refuse_no_concurrency(count: int) -> None:
    """Raise ValueError where nothing could ever be asked."""
    if count < 1:
        raise ValueError("The concurrency is 1 at least.")


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


class Threads:
    """Runs calls in so many threads, none of which holds up the caller that leaves, or the end of the program.

    Attributes:
        stop: Set once nobody waits for the calls any more.
    """

    def __init__(self, count: int) -> None:
        refuse_no_concurrency(count)
        self.stop = threading.Event()
        self._count = count
        self._begun = 0
        self._calls: SimpleQueue[tuple[Future[Mapped], Callable[[], Mapped]] | None] = SimpleQueue()

    def begin(self, call: Callable[[], Mapped]) -> Future[Mapped]:
        """Run it as soon as a thread is free."""
        future: Future[Mapped] = Future()
        self._calls.put((future, call))
        if self._begun < self._count:
            self._begun += 1
            threading.Thread(target=self._run, name="mls map", daemon=True).start()
        return future

    def end(self) -> None:
        """Begin nothing more; what has begun is stopped."""
        self.stop.set()
        for _ in range(self._begun):
            self._calls.put(None)

    def _run(self) -> None:
        while (item := self._calls.get()) is not None and not self.stop.is_set():
            future, call = item
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001  the caller gets it
                future.set_exception(error)
