"""One batch on its way through a model's process, or through several of them where its inputs end them."""

from __future__ import annotations

import struct
import time
from asyncio import timeout
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from ml_service.runtime import frames
from ml_service.runtime.host.child_process import ChildProcess, ProcessEnded
from ml_service.runtime.host.children import Children, ModelUnavailable
from ml_service.runtime.host.isolation import Isolation, Trial
from ml_service.runtime.host.model_limits import ModelLimits
from ml_service.runtime.model_answers import (
    MODEL_CRASHED,
    MODEL_ERROR,
    MODEL_TIMEOUT,
    Failure,
    ModelAnswer,
    Postponed,
    Success,
)

OnAnswers = Callable[[list[tuple[int, ModelAnswer]]], Awaitable[None]]

# Where a model may take no longer than this anyway, its parts get no less.
_SHORT_S: Final = 1.0
# Parts of a batch get this share of the model's time at first.
_SHORT_SHARE: Final = 0.25
# What isolation may cost where processes die: so many hanging inputs, so many loads. Where the model only raises, it
# halves by itself: each of its calls is bounded and brings it further.
_HANGS_MAX: Final = 5
_LOADS_MAX: Final = 12
# A model that answers inputs at once ends those that take too long by itself; so much later its process has to.
_OWN_TIME_S: Final = 2.0
_TIME_IS_OVER: Final = "the time for isolation is over"

_log = structlog.get_logger(__name__)


# Of the inputs that the model gets at once, of four bytes at most each: many of the longest would make a frame that
# is none (`frames.FRAME_BYTES_MAX`), and the model's process would be blamed for it.
PART_CHARS: Final = 8 * 2**20


class BatchStopped(Exception):
    """The batch was stopped and its process killed; answers that came before were handed out."""


class BatchRun:
    """The inputs, their answers so far, and the plan for the rest."""

    def __init__(
        self,
        inputs: Sequence[str | bytes],
        on_answers: OnAnswers | None,
        children: Children,
        limits: ModelLimits,
        timeout_s: float,
        contexts: Sequence[str] = (),
    ) -> None:
        self._inputs = inputs
        self._contexts = contexts
        self._on_answers = on_answers
        self._children = children
        self._limits = limits
        self._timeout_s = timeout_s
        is_concurrent = children.declared is not None and children.declared.is_concurrent
        # Where inputs are answered one after another, the call that has this time begins while answers are kept back.
        self._own_time_s = _OWN_TIME_S if is_concurrent else frames.flush_s(timeout_s)
        self._short_s = min(timeout_s, max(_SHORT_S, timeout_s * _SHORT_SHARE))
        short_time = self._short_s < timeout_s and not is_concurrent
        self._plan = Isolation(parts_of([*map(len, inputs)]), short_time=short_time)
        self._answers: list[ModelAnswer | None] = [None] * len(inputs)
        self._isolating_until: float | None = None
        self._has_died = False
        self._last_cause: tuple[str, str] = (MODEL_ERROR, "The model failed")
        self._busy: ChildProcess | None = None
        self._is_stopped = False

    async def run(self) -> list[ModelAnswer]:
        """Answer each input.

        Raises:
            ModelUnavailable: There is no process to run it.
            BatchStopped: `stop` was called.
        """
        try:
            while self._plan:
                if self._isolating_until is not None and time.monotonic() >= self._isolating_until:
                    await self._give_up()
                    break
                await self._try(self._plan.next())
        finally:
            # If this ended early, the process is still busy with a batch that was given up.
            if self._busy is not None:
                self._busy.kill()
            self._children.keep_spare(wanted=False)
        return [answer for answer in self._answers if answer is not None]

    def stop(self) -> bool:
        """Kill the process that works on it; `run` raises `BatchStopped`. Returns False if it was stopped before."""
        if self._is_stopped:
            return False
        self._is_stopped = True
        if self._busy is not None:
            self._busy.kill()
        return True

    async def _try(self, attempt: Trial) -> None:
        try:
            child = await self._children.first(self._isolation_s_left())
        except ModelUnavailable:
            if self._isolating_until is None or self._children.state != "loading":
                raise
            # The model can be loaded, but not often enough in the time that is left, which is over now.
            self._plan.put_back(attempt)
            return
        if self._is_stopped:
            raise BatchStopped
        self._busy = child
        per_call = 1 if attempt.one_by_one else len(attempt.places)
        inputs = [self._inputs[place] for place in attempt.places]
        contexts = [self._contexts[place] for place in attempt.places] if self._contexts else ()
        started = time.monotonic()
        child.send(frames.batch_frame(inputs, per_call, contexts))
        left = list(attempt.places)
        while left:
            received = await self._receive(child, attempt)
            if self._is_stopped:
                raise BatchStopped
            if isinstance(received, str):
                self._busy = None
                await self._learn(attempt, left, received, started)
                return
            kind, payload = received
            if kind == frames.TROUBLE:
                self._bound_isolation()
                continue
            pairs = _read_answers(kind, payload, attempt.places, left)
            if pairs is None:
                child.kill()  # it speaks nonsense: its end is what comes next
                continue
            left = left[len(pairs) :] if kind == frames.ANSWERS else _without(left, pairs)
            started = time.monotonic()
            if not left:
                self._busy = None
            self._children.served()
            await self._hand_out(pairs)

    async def _receive(self, child: ChildProcess, attempt: Trial) -> tuple[int, bytes] | str:
        """Return the next frame, or the code of what came instead."""
        allowed_s = (self._timeout_s if attempt.full_time else self._short_s) + self._own_time_s
        left_s = self._isolation_s_left()
        is_cut = left_s is not None and left_s < allowed_s
        try:
            async with timeout(left_s if is_cut else allowed_s):
                return await child.frames.receive()
        except TimeoutError:
            await child.abort()
            await child.gone
            return _TIME_IS_OVER if is_cut else MODEL_TIMEOUT
        except ProcessEnded:
            how = await child.gone
            self._last_cause = (MODEL_CRASHED, f"The model's process {how}")
            return MODEL_CRASHED

    async def _learn(self, attempt: Trial, unanswered: Sequence[int], code: str, started: float) -> None:
        """Account for a death: plan the rest, and convict the guilty input."""
        if code == _TIME_IS_OVER:  # which is nobody's guilt
            self._plan.put_back(replace(attempt, places=tuple(unanswered)))
            return
        if code == MODEL_TIMEOUT:
            self._last_cause = (code, f"The model was not done in {self._timeout_s:g} s")
        message = self._last_cause[1]
        _log.warning("model_process_failed_on_inputs", code=code, reason=message, inputs=len(unanswered))
        guilty = self._plan.failed(attempt, unanswered, timed_out=code == MODEL_TIMEOUT)
        if self._plan:
            self._bound_isolation(dies=True)
            self._children.keep_spare(wanted=True)
        if guilty is not None:
            predict_ms = (time.monotonic() - started) * 1e3
            await self._hand_out([(guilty, Failure(code, f"{message} on this input.", predict_ms))])

    def _bound_isolation(self, *, dies: bool = False) -> None:
        """Bound the time from the first sign of trouble on, and more closely from the first death on."""
        allowed_s = self._limits.isolation_s_max
        if dies and not self._has_died:
            self._has_died = True
            needed_s = _HANGS_MAX * self._timeout_s + _LOADS_MAX * self._children.load_s
            allowed_s = min(max(needed_s, self._limits.isolation_s_min), allowed_s)
        until = time.monotonic() + allowed_s
        self._isolating_until = until if self._isolating_until is None else min(self._isolating_until, until)

    def _isolation_s_left(self) -> float | None:
        if self._isolating_until is None:
            return None
        return max(0.0, self._isolating_until - time.monotonic())

    async def _give_up(self) -> None:
        code, message = self._last_cause
        remaining = self._plan.remaining()
        _log.error("isolation_took_too_long", inputs_failed=len(remaining), code=code)
        why = f"{message} on a batch with this input, and the time to find out which inputs do that is over."
        failure = Failure(code, why, 0.0)
        await self._hand_out([(place, failure) for place in remaining])

    async def _hand_out(self, pairs: list[tuple[int, ModelAnswer]]) -> None:
        for place, answer in pairs:
            self._answers[place] = answer
        self._children.failures.note(answer for _, answer in pairs)
        if self._on_answers is not None:
            await self._on_answers(pairs)


def parts_of(sizes: Sequence[int], size_max: int = PART_CHARS) -> list[list[int]]:
    """The places of inputs of these sizes in parts of up to ``size_max``; of more where a single one is longer."""
    parts: list[list[int]] = []
    size = 0
    for place, one in enumerate(sizes):
        if not parts or size + one > size_max:
            parts.append([])
            size = 0
        parts[-1].append(place)
        size += one
    return parts


def _read_answers(
    kind: int, payload: bytes, places: Sequence[int], left: Sequence[int]
) -> list[tuple[int, ModelAnswer]] | None:
    """Return the answers by place, or None if they are not answers of this attempt that are still missing."""
    try:
        if kind == frames.SCATTERED:
            found = [(places[at], _answer(text, ms)) for at, ms, text in frames.read_scattered(payload)]
            return found if found and {place for place, _ in found} <= set(left) else None
        if kind != frames.ANSWERS:
            return None
        first, predict_ms, texts = frames.read_answers(payload)
    except (ValueError, IndexError, struct.error):
        return None
    if first != len(places) - len(left) or len(texts) > len(left):
        return None
    return [(place, _answer(text, predict_ms)) for place, text in zip(left, texts, strict=False)]


def _without(left: Sequence[int], pairs: Sequence[tuple[int, ModelAnswer]]) -> list[int]:
    answered = {place for place, _ in pairs}
    return [place for place in left if place not in answered]


def _answer(text: str, predict_ms: float) -> ModelAnswer:
    if not text.startswith(frames.FAILURE_MARK):
        return Success(text, predict_ms)
    code, message, place, cause = frames.read_failure(text)
    if code == frames.RETRY:
        return Postponed(float(message), predict_ms)
    return Failure(code, message, predict_ms, place, cause)
