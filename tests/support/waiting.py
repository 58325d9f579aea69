"""Waiting for something that other tasks, threads or processes do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE_S = 60.0
"""Long enough for a busy machine: a test that waits longer has failed."""


async def until(condition: Callable[[], object], timeout_s: float = PATIENCE_S, step_s: float = 0.02) -> None:
    """Wait for ``condition()`` to be true; raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(step_s)
