"""Deliveries that have arrived and are not handed out yet; both backends' consumers use it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

D = TypeVar("D")


class DeliveryBuffer(Generic[D]):
    """A buffer of deliveries that is emptied in batches. A cancelled reader loses nothing."""

    def __init__(self, messages_max: int | None = None) -> None:
        """``messages_max`` bounds it: the oldest are dropped. None if the broker's prefetch is the bound."""
        self._deliveries: deque[D] = deque(maxlen=messages_max)
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._deliveries)

    def put(self, delivery: D) -> None:
        """Add a delivery and wake the reader."""
        self._deliveries.append(delivery)
        self._arrived.set()

    def wake(self) -> None:
        """Let a waiting reader fetch again: there may be something new."""
        self._arrived.set()

    def clear(self) -> list[D]:
        """Empty the buffer and return what was in it: the connection is gone, or the consumer stops."""
        left = list(self._deliveries)
        self._deliveries.clear()
        return left

    async def get_batch(
        self,
        messages_max: int,
        wait_ms: float,
        timeout_s: float | None,
        fetch: Callable[[int], Awaitable[float]] | None = None,
    ) -> list[D]:
        """Wait for a first delivery, then gather; see `queue.TaskConsumer.get_batch`.

        Args:
            messages_max: At most so many.
            wait_ms: Milliseconds to wait for more after the first.
            timeout_s: Seconds to wait for the first; None waits forever.
            fetch: Adds up to so many deliveries, and returns after how many seconds it should be called again
                if nothing wakes the reader. None if deliveries arrive by themselves.
        """
        loop = asyncio.get_running_loop()
        until = None if timeout_s is None else loop.time() + timeout_s
        gathering = False
        while True:
            self._arrived.clear()
            again_s: float | None = None
            if fetch is not None and len(self._deliveries) < messages_max:
                again_s = await fetch(messages_max - len(self._deliveries))
            if self._deliveries and not gathering:
                gathering, until = True, loop.time() + wait_ms / 1000
            left_s = None if until is None else until - loop.time()
            if len(self._deliveries) >= messages_max or (left_s is not None and left_s <= 0):
                break
            pauses = [seconds for seconds in (left_s, again_s) if seconds is not None]
            await self._wait(min(pauses) if pauses else None)
        count = min(messages_max, len(self._deliveries))
        return [self._deliveries.popleft() for _ in range(count)]

    async def _wait(self, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return
