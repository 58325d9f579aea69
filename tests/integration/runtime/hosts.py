"""Hosts with real child processes, for the tests of this folder."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from ml_service.runtime.host import Limits, ModelHost
from ml_service.runtime.registry import ModelSource

MODELS = Path(__file__).parents[2] / "models"
QUICK = Limits(backoff_s_min=0.05, backoff_s_max=0.2, close_grace_s=1)


@contextlib.asynccontextmanager
async def running(source: ModelSource, limits: Limits = QUICK) -> AsyncIterator[ModelHost]:
    """Start a host; close it at the end."""
    host = ModelHost(source, limits)
    await host.start()
    try:
        yield host
    finally:
        await host.close()


async def until(condition: Callable[[], object], timeout_s: float = 10) -> None:
    """Wait for what happens in other processes."""
    async with asyncio.timeout(timeout_s):
        while not condition():
            await asyncio.sleep(0.01)


def troublesome() -> ModelSource:
    """Return the model that misbehaves on demand."""
    return ModelSource("troublesome", MODELS / "troublesome" / "model.py")
