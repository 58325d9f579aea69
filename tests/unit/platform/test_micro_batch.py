"""Calls of one moment are answered together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from ml_service.platform.micro_batch import MicroBatch


class Doubler:
    """Doubles numbers, and remembers the rounds."""

    def __init__(self, round_s: float = 0.01) -> None:
        self.rounds: list[list[int]] = []
        self._round_s = round_s

    async def __call__(self, calls: Sequence[int]) -> list[int | Exception]:
        self.rounds.append(list(calls))
        await asyncio.sleep(self._round_s)
        return [ValueError("negative") if call < 0 else call * 2 for call in calls]


async def test_each_caller_gets_its_own_answer() -> None:
    doubler = Doubler()
    gather = MicroBatch(doubler, calls_max=100)
    assert await asyncio.gather(*(gather(number) for number in range(50))) == [number * 2 for number in range(50)]


async def test_calls_that_come_during_a_round_share_the_next_one() -> None:
    doubler = Doubler()
    gather = MicroBatch(doubler, calls_max=100)
    await asyncio.gather(*(gather(number) for number in range(50)))
    assert doubler.rounds == [[0], list(range(1, 50))]


async def test_a_round_has_its_limit() -> None:
    doubler = Doubler()
    gather = MicroBatch(doubler, calls_max=10, rounds_max=1)
    await asyncio.gather(*(gather(number) for number in range(31)))
    assert max(map(len, doubler.rounds)) == 10


async def test_an_exception_reaches_its_own_caller_alone() -> None:
    gather = MicroBatch(Doubler(), calls_max=100)
    answers = await asyncio.gather(gather(1), gather(-1), gather(2), return_exceptions=True)
    assert answers[0] == 2
    assert isinstance(answers[1], ValueError)
    assert answers[2] == 4


async def test_a_failed_round_reaches_its_callers_and_the_next_round_works() -> None:
    async def answer_all(calls: Sequence[int]) -> list[int | Exception]:
        if 13 in calls:
            raise RuntimeError("no luck")
        return list(calls)

    gather: MicroBatch[int, int] = MicroBatch(answer_all, calls_max=1)
    with pytest.raises(RuntimeError, match="no luck"):
        await gather(13)
    assert await gather(1) == 1


async def test_a_cancelled_caller_leaves_the_others_alone() -> None:
    gather = MicroBatch(Doubler(), calls_max=100)
    calls = [asyncio.create_task(gather(number)) for number in range(5)]
    await asyncio.sleep(0)
    calls[2].cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [answer for place, answer in enumerate(answers) if place != 2] == [0, 2, 6, 8]
    await gather.drain()


async def test_a_call_waits_no_longer_than_it_may_and_is_then_left_out() -> None:
    frozen = asyncio.Event()
    rounds: list[list[int]] = []

    async def answer_all(calls: Sequence[int]) -> list[int | Exception]:
        rounds.append(list(calls))
        await frozen.wait()
        return list(calls)

    gather: MicroBatch[int, int] = MicroBatch(answer_all, calls_max=1, timeout_s=0.05)
    answers = await asyncio.gather(*(gather(number) for number in range(5)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [TimeoutError] * 5
    frozen.set()
    await gather.drain()
    assert rounds == [[0]]
    assert await gather(7) == 7


async def test_callers_that_come_again_at_once_share_each_round() -> None:
    doubler = Doubler(round_s=0.3)  # far longer than the callers' pauses on a busy machine, too
    gather = MicroBatch(doubler, calls_max=100, linger_s=5)

    async def keep_calling(pause_s: float) -> None:
        for number in range(5):
            await gather(number)
            await asyncio.sleep(pause_s)

    await asyncio.gather(*(keep_calling(pause_s) for pause_s in (0.0, 0.001, 0.002)))
    assert [len(calls) for calls in doubler.rounds[2:5]] == [3, 3, 3]


async def test_a_round_waits_for_callers_no_longer_than_it_is_told() -> None:
    gather = MicroBatch(Doubler(), calls_max=100, linger_s=0.3)
    await asyncio.gather(*(gather(number) for number in range(4)))
    began = time.monotonic()
    assert await gather(5) == 10  # the other three do not come again
    assert time.monotonic() - began >= 0.2


async def test_a_round_waits_as_long_as_some_rounds_take() -> None:
    """A quick database is not waited for as long as a slow one: 600 s are allowed, and three rounds are waited for."""
    for round_s in (0.0, 0.2):
        gather = MicroBatch(Doubler(round_s=round_s), calls_max=100, linger_s=600, linger_rounds=3)
        await asyncio.gather(*(gather(number) for number in range(4)))
        began = time.monotonic()
        async with asyncio.timeout(30):
            assert await gather(5) == 10  # the other three do not come again
        assert time.monotonic() - began >= 3.5 * round_s


async def test_after_a_round_of_one_call_nothing_waits() -> None:
    gather = MicroBatch(Doubler(), calls_max=100, linger_s=600)
    async with asyncio.timeout(10):
        for number in range(3):
            assert await gather(number) == 2 * number
