"""A model as its worker sees it: started, asked, and always the same however often its process dies."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence

from ml_service.domain.models import ModelSpec
from ml_service.runtime.host.batch_run import BatchRun, BatchStopped, OnAnswers
from ml_service.runtime.host.children import Children, ChildState, ModelUnavailable
from ml_service.runtime.host.declarations import Declared
from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_limits import ModelLimits
from ml_service.runtime.model_answers import ModelAnswer

__all__ = ["BatchStopped", "ChildState", "ModelHost", "ModelLimits", "ModelUnavailable", "OnAnswers", "context_of"]


class ModelHost:
    """Runs one model in a process of its own; one batch at a time.

    The host belongs to the event loop, in the main thread: the process dies with the thread that started it.
    """

    def __init__(self, source: ModelSource, limits: ModelLimits | None = None) -> None:
        self.source = source
        self._limits = limits or ModelLimits()
        self._children = Children(source, self._limits)
        self._lock = asyncio.Lock()
        self._batch: BatchRun | None = None

    async def start(self, *, lazily: bool = False) -> None:
        """Start the process and wait until the model is loaded or cannot be (see `state` and `error`).

        A model that cannot be loaded is retried with growing pauses until `close`.

        Args:
            lazily: Only read what it declares; the first batch loads it. Not for a model that never sleeps.
        """
        await self._children.start(lazily=lazily)

    async def wait_ready(self) -> None:
        """Wait until the model is loaded, or sleeps, however long that takes.

        Raises:
            ModelUnavailable: The host was closed.
        """
        await self._children.wait_ready()

    async def close(self) -> None:
        """End the process. Let the batch that runs finish first, or it ends with `ModelUnavailable`."""
        await self._children.close()

    def renewed(self) -> ModelHost:
        """Return a host of the same model that has not been started: its files are read again. Close this one first."""
        return ModelHost(self.source, self._limits)

    async def predict(
        self,
        inputs: Sequence[str | bytes],
        on_answers: OnAnswers | None = None,
        contexts: Sequence[str] | None = None,
    ) -> list[ModelAnswer]:
        """Answer a batch, whatever its inputs do to the model.

        Args:
            inputs: JSON objects as text, 1 to ``spec.batch_size`` of them, each valid.
            on_answers: Awaited with (place in ``inputs``, answer), for each input exactly once. Usually that is one
                call with all of them; while a batch is being isolated, one as soon as anything is known. What it
                raises ends the batch.
            contexts: Of each input, as `context_of` gives it; for a model that takes them (see `takes_context`).

        Returns:
            The answers, in the order of the inputs.

        Raises:
            ModelUnavailable: The model cannot be loaded for now: no input is to blame, try again later.
            BatchStopped: `stop_current` was called.
        """
        if not inputs:
            return []
        async with self._lock:
            with self._children.in_use():
                return await self._run(inputs, on_answers, contexts)

    async def _run(
        self, inputs: Sequence[str | bytes], on_answers: OnAnswers | None, contexts: Sequence[str] | None
    ) -> list[ModelAnswer]:
        if self._children.declared is None:
            await self._children.first()
        if self.takes_context and contexts is None:
            contexts = [context_of(str(uuid.uuid4()), "nobody") for _ in inputs]
        batch = BatchRun(inputs, on_answers, self._children, self._limits, self.spec.timeout_s, contexts or ())
        self._batch = batch  # before it waits for a process: `stop_current` reaches it while the model wakes
        try:
            return await batch.run()
        finally:
            self._batch = None

    def stop_current(self) -> bool:
        """Kill the process that works on the current batch: all of its predictions were canceled.

        A batch that still waits for the model to be loaded is not sent to it. Returns whether there was one to stop.
        """
        return self._batch is not None and self._batch.stop()

    @property
    def spec(self) -> ModelSpec:
        """What the model announces.

        Raises:
            ModelUnavailable: It was never loaded yet.
        """
        return self.declared.spec

    @property
    def batch_wait_ms(self) -> float:
        """How long a busy worker waits for a batch to fill."""
        return self._children.declared.batch_wait_ms if self._children.declared else 0.0

    @property
    def takes_context(self) -> bool:
        """Whether the model asks for the context of each input."""
        return self._children.declared is not None and self._children.declared.takes_context

    @property
    def declared(self) -> Declared:
        """All that the model declares; raises ModelUnavailable before it was loaded."""
        if self._children.declared is None:
            raise ModelUnavailable(self.error or f"The model {self.source.name} is not loaded yet.")
        return self._children.declared

    @property
    def name(self) -> str:
        """The model's name, known before it is loaded."""
        return self.source.name

    @property
    def version(self) -> str | None:
        """The model's version; None until it was loaded once."""
        return self._children.declared.spec.version if self._children.declared else None

    @property
    def pool(self) -> str:
        """The pool that it belongs to; empty while that is not known."""
        return self._children.declared.spec.pool if self._children.declared else self._limits.pool

    @property
    def ready(self) -> bool:
        """A process is warm."""
        return self._children.state == "ready"

    @property
    def state(self) -> ChildState:
        """One of loading, ready, sleeping (until the next batch), failed (and to be tried again), stopped."""
        return self._children.state

    @property
    def error(self) -> str:
        """Why the last attempt to load failed, one sentence; empty after one that did not."""
        return self._children.error

    @property
    def pid(self) -> int | None:
        """The process at work, if one is warm."""
        return next(iter(self._children.pids), None)

    @property
    def pids(self) -> list[int]:
        """All living processes: more than one only while a batch is being isolated."""
        return self._children.pids

    @property
    def load_s(self) -> float:
        """How long the last load took, in seconds: what each death costs."""
        return self._children.load_s

    @property
    def deaths(self) -> int:
        """How many processes ended without being told to."""
        return self._children.deaths


def context_of(prediction_id: str, user: str, attempt: int = 1, deadline: str | None = None) -> str:
    """Return the context of an input, for a model that takes one.

    Args:
        user: The same for all of a user's predictions.
        deadline: ISO 8601, with an offset.
    """
    return json.dumps({"prediction_id": prediction_id, "user": user, "attempt": attempt, "deadline": deadline})
