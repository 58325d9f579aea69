"""Calls a model whose `predict` is a coroutine, in a loop that lives as long as the model."""

from __future__ import annotations

import asyncio
import inspect
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

from ml_service.runtime.author.model import Model
from ml_service.runtime.author.signature import CallForm
from ml_service.runtime.child.calls import Calls, OutOfTime

FLUSH_S = 0.005
"""So long what is ready waits for more: answers that come together are committed together."""


class ConcurrentCalls(Calls):
    """As `Calls`; inputs of a model that takes one for each call are answered at once.

    Args:
        timeout_s: What each of them gets.
    """

    def __init__(self, model: Model, form: CallForm, input_schema: Any, timeout_s: float) -> None:
        super().__init__(model, form, input_schema)
        self._timeout_s = timeout_s
        self._loop = asyncio.new_event_loop()

    def load(self) -> None:
        """Run the model's `load`, a coroutine or not."""

        async def load() -> None:
            loading = self._model.load()
            if loading is not None:
                await loading

        self._loop.run_until_complete(load())
        self._predict = self._model.predict

    def at_once(
        self,
        texts: Sequence[str],
        contexts: Sequence[str],
        take: Callable[[int, float, Any], None],
        flush: Callable[[], None],
    ) -> None:
        """Call the model for all inputs at once.

        Args:
            take: Called with an input's place, the milliseconds of its call, and what stands for it.
            flush: Called soon after that.
        """
        flushing: asyncio.TimerHandle | None = None

        def flush_now() -> None:
            nonlocal flushing
            flushing = None
            flush()

        async def answer(place: int, text: str, context: str | None) -> None:
            nonlocal flushing
            began = time.perf_counter()
            output = await self._awaited(text, context)
            take(place, (time.perf_counter() - began) * 1e3, output)
            flushing = flushing or self._loop.call_later(FLUSH_S, flush_now)

        async def answer_all() -> None:
            pairs = itertools.zip_longest(texts, contexts)
            await asyncio.gather(*(answer(place, *pair) for place, pair in enumerate(pairs)))

        self._loop.run_until_complete(answer_all())
        if flushing is not None:
            flushing.cancel()
        flush()

    def _returned(self, inputs: list[Any], contexts: Sequence[str]) -> Any:
        returned = super()._returned(inputs, contexts)
        return self._loop.run_until_complete(returned) if inspect.iscoroutine(returned) else returned

    async def _awaited(self, text: str, context: str | None) -> Any:
        try:
            async with asyncio.timeout(self._timeout_s) as time_left:
                return await self._predict(**self._arguments(text, context))
        except TimeoutError as error:
            if not time_left.expired():
                return error
            return OutOfTime(f"The model was not done in {self._timeout_s:g} s on this input.")
        except BaseException as error:  # noqa: BLE001 - a model may raise anything, SystemExit included
            return error
