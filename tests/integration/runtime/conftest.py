"""Hosts with real child processes."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from ml_service.runtime.host import Limits, ModelHost
from ml_service.runtime.registry import ModelSource

MODELS = Path(__file__).parents[2] / "models"
QUICK = Limits(backoff_s_min=0.05, backoff_s_max=0.2, close_grace_s=1)

Running = Callable[..., AbstractAsyncContextManager[ModelHost]]


@contextlib.asynccontextmanager
async def running(source: ModelSource, limits: Limits = QUICK) -> AsyncIterator[ModelHost]:
    host = ModelHost(source, limits)
    await host.start()
    try:
        yield host
    finally:
        await host.close()


def troublesome() -> ModelSource:
    return ModelSource("troublesome", MODELS / "troublesome" / "model.py")


@pytest.fixture
async def host() -> AsyncIterator[ModelHost]:
    """Yield a loaded host of the model that misbehaves on demand."""
    async with running(troublesome()) as each:
        yield each


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., ModelSource]:
    """Return a function that writes a user's model: a name and the source of its ``model.py``."""

    def make(source: str, name: str = "mine") -> ModelSource:
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.py").write_text(source)
        return ModelSource(name, folder / "model.py")

    return make
