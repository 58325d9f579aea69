"""A value that is worked out for all who ask within some seconds at once."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Cached(Generic[Value]):
    """Keeps the last value.

    Args:
        look: Computes the value; an exception goes to all waiting callers, and the next caller tries again.
        lifetime_s: Seconds that a value is good for.
    """

    def __init__(self, look: Callable[[], Awaitable[Value]], lifetime_s: float) -> None:
        self._look = look
        self._lifetime_s = lifetime_s
        self._looking = asyncio.Lock()
        self._looked_at = -math.inf
        self._value: Value

    async def get(self) -> Value:
        """The value, at most so many seconds old."""
        async with self._looking:
            if time.monotonic() - self._looked_at >= self._lifetime_s:
                self._value = await self._look()
                self._looked_at = time.monotonic()
            return self._value

    def forget(self) -> None:
        """Work it out again when it is next asked for."""
        self._looked_at = -math.inf
