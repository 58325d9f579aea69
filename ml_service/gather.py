"""Answer calls of one moment together.

The first call starts a round at once; calls that arrive while a round runs wait for the next one. So an idle
service pays no waiting time, and a busy one pays one statement, one commit, for as many calls as came meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Call = TypeVar("Call")
Answer = TypeVar("Answer")


class Gather(Generic[Call, Answer]):
    """Turns ``answer_all(calls) -> answers`` into ``answer(call)``.

    Args:
        answer_all: Gets 1 to ``calls_max`` calls and returns as many answers in the same order. An answer that is
            an exception is raised to its own caller; an exception raised reaches every caller of the round.
        calls_max: The most calls of one round.
        rounds_max: How many rounds may run at the same time.
    """

    def __init__(
        self,
        answer_all: Callable[[Sequence[Call]], Awaitable[Sequence[Answer | Exception]]],
        *,
        calls_max: int,
        rounds_max: int = 1,
    ) -> None:
        self._answer_all = answer_all
        self._calls_max = calls_max
        self._rounds_max = rounds_max
        self._waiting: list[tuple[Call, asyncio.Future[Answer]]] = []
        self._rounds: set[asyncio.Task[None]] = set()

    async def __call__(self, call: Call) -> Answer:
        """Answer one call; a caller that is cancelled meanwhile leaves the others alone."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, answer))
        self._start_rounds()
        return await answer

    async def drain(self) -> None:
        """Wait until every call so far has its answer."""
        while self._rounds:
            await asyncio.wait(self._rounds)

    def _start_rounds(self) -> None:
        while self._waiting and len(self._rounds) < self._rounds_max:
            now, self._waiting = self._waiting[: self._calls_max], self._waiting[self._calls_max :]
            round_ = asyncio.create_task(self._run(now))
            self._rounds.add(round_)
            round_.add_done_callback(self._ended)

    def _ended(self, round_: asyncio.Task[None]) -> None:
        self._rounds.discard(round_)
        self._start_rounds()

    async def _run(self, calls: list[tuple[Call, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._answer_all([call for call, _ in calls])
        except BaseException as error:
            for _, future in calls:
                if not future.done():
                    future.set_exception(error if isinstance(error, Exception) else asyncio.CancelledError())
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), answer in zip(calls, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
