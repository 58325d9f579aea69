"""A cached value is worked out once for all who ask."""

from __future__ import annotations

import asyncio

import pytest

from ml_service.platform.cached import Cached


class Counter:
    """Counts how often it is asked; fails the first ``failures`` times."""

    def __init__(self, failures: int = 0) -> None:
        self.looks = 0
        self._failures = failures

    async def look(self) -> int:
        self.looks += 1
        await asyncio.sleep(0)
        if self.looks <= self._failures:
            raise ConnectionError("away")
        return self.looks


async def test_all_who_ask_at_once_share_a_look() -> None:
    counter = Counter()
    cached = Cached(counter.look, 60)
    assert await asyncio.gather(*(cached.get() for _ in range(20))) == [1] * 20
    assert await cached.get() == 1


async def test_an_old_value_is_worked_out_again() -> None:
    counter = Counter()
    cached = Cached(counter.look, 60)
    await cached.get()
    cached.forget()
    assert await cached.get() == 2
    always = Cached(counter.look, 0)
    assert [await always.get(), await always.get()] == [3, 4]


async def test_a_failure_is_not_kept() -> None:
    counter = Counter(failures=1)
    cached = Cached(counter.look, 60)
    with pytest.raises(ConnectionError):
        await cached.get()
    assert await cached.get() == 2


async def test_a_caller_that_gives_up_does_not_hold_up_the_others() -> None:
    started = asyncio.Event()

    async def look() -> int:
        if not started.is_set():
            started.set()
            await asyncio.sleep(60)
        return 7

    cached = Cached(look, 60)
    first = asyncio.create_task(cached.get())
    await started.wait()
    second = asyncio.create_task(cached.get())
    first.cancel()
    async with asyncio.timeout(10):
        assert await second == 7
