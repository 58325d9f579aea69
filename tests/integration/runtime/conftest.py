"""A loaded host, and models written for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_host import ModelHost
from tests.support.hosts import running, troublesome


@pytest.fixture
async def host() -> AsyncIterator[ModelHost]:
    """Yield a loaded host of the model that misbehaves on demand."""
    async with running(troublesome()) as each:
        yield each


@pytest.fixture
async def hasty(make_model: Callable[..., ModelSource]) -> AsyncIterator[ModelHost]:
    """Yield the same with little time, so that tests of hanging inputs are quick."""
    source = troublesome().path.read_text()
    async with running(make_model(source.replace("timeout_s = 5.0", "timeout_s = 0.5"), "troublesome")) as each:
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
