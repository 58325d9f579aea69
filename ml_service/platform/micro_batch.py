"""Coalesce concurrent calls: they are answered together.

The first call starts a round at once; calls that arrive while a round runs wait for the next one. An idle service
adds no delay, and a busy one runs one statement and one commit for all calls that arrived meanwhile.

Callers that were answered together tend to call again together, just after the next round would have started without
them. Two half-full rounds would then alternate, each as expensive as a full one, so the next round may wait briefly.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Call = TypeVar("Call")
Answer = TypeVar("Answer")

NEWEST_WEIGHT = 0.2
"""Weight of the last round in the running mean of what a round takes."""


class MicroBatch(Generic[Call, Answer]):
    """Turns ``answer_all(calls) -> answers`` into ``answer(call)``.

    Args:
        answer_all: Gets 1 to ``calls_max`` calls and returns as many answers in the same order. An answer that is
            an exception is raised to its own caller; an exception raised reaches every caller of the round.
        calls_max: The most calls of one round.
        rounds_max: How many rounds may run at the same time.
        timeout_s: How long one call may take in all, waiting for a round included; None: as long as it takes. A call
            that is given up before its round begins is not part of it.
        linger_s: After a round of several calls the next one waits for them to come again: until as many wait as were
            there when the last one ended, those that it answered included; this long at most. After a round of one call
            nothing waits. docs/decisions/0012-pacing.md
        linger_rounds: It waits at most this many times as long as a round has taken of late, too: where rounds are
            cheap, fewer calls are worth a round of their own. None: only ``linger_s`` bounds it.
    """

    def __init__(
        self,
        answer_all: Callable[[Sequence[Call]], Awaitable[Sequence[Answer | Exception]]],
        *,
        calls_max: int,
        rounds_max: int = 1,
        timeout_s: float | None = None,
        linger_s: float = 0.0,
        linger_rounds: float | None = None,
    ) -> None:
        self._answer_all = answer_all
        self._calls_max = calls_max
        self._rounds_max = rounds_max
        self._timeout_s = timeout_s
        self._linger_s = linger_s
        self._linger_rounds = linger_rounds
        self._round_s: float | None = None  # running mean; before the first round unknown
        self._waiting: list[tuple[Call, asyncio.Future[Answer]]] = []
        self._rounds: set[asyncio.Task[int]] = set()
        self._lingering: asyncio.TimerHandle | None = None
        self._enough = 0

    async def __call__(self, call: Call) -> Answer:
        """Answer one call; a caller that is cancelled meanwhile leaves the others alone.

        Raises:
            TimeoutError: There was no answer in ``timeout_s``; a round that had begun may still carry it out.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((call, answer))
        if self._lingering is None or len(self._waiting) >= self._enough:
            self._start_rounds()
        if self._timeout_s is None:
            return await answer
        timer = loop.call_later(self._timeout_s, _expire, answer)  # a third of what `asyncio.timeout` costs
        try:
            return await answer
        finally:
            timer.cancel()

    async def drain(self) -> None:
        """Wait until every call so far has its answer."""
        self._start_rounds()
        while self._rounds:
            await asyncio.wait(self._rounds)
            self._start_rounds()

    def _start_rounds(self) -> None:
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        while self._waiting and len(self._rounds) < self._rounds_max:
            self._waiting = [one for one in self._waiting if not one[1].done()]  # nobody waits for the others
            if not self._waiting:
                return
            now, self._waiting = self._waiting[: self._calls_max], self._waiting[self._calls_max :]
            round_ = asyncio.create_task(self._run(now))
            self._rounds.add(round_)
            round_.add_done_callback(self._ended)

    def _ended(self, round_: asyncio.Task[int]) -> None:
        self._rounds.discard(round_)
        calls = 0 if round_.cancelled() or round_.exception() else round_.result()
        self._enough = min(calls + len(self._waiting), self._calls_max)
        wait_s = self._linger_max_s()
        if wait_s > 0 and calls > 1 and len(self._waiting) < self._enough:
            self._lingering = asyncio.get_running_loop().call_later(wait_s, self._start_rounds)
        else:
            self._start_rounds()

    def _linger_max_s(self) -> float:
        if self._linger_rounds is None or self._round_s is None:
            return self._linger_s
        return min(self._linger_s, self._linger_rounds * self._round_s)

    async def _run(self, calls: list[tuple[Call, asyncio.Future[Answer]]]) -> int:
        """Answer these; returns how many they were."""
        clock = asyncio.get_running_loop().time
        began_s = clock()
        try:
            answers = await self._answer_all([call for call, _ in calls])
        except BaseException as error:
            for _, future in calls:
                if not future.done():
                    future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            if not isinstance(error, Exception):
                raise
            return len(calls)
        round_s = clock() - began_s
        self._round_s = round_s if self._round_s is None else self._round_s + (round_s - self._round_s) * NEWEST_WEIGHT
        for (_, future), answer in zip(calls, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        return len(calls)


def _expire(answer: asyncio.Future[Answer]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())
