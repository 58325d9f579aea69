"""A loaded host, and models written for one test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_host import ModelHost
from tests.support.hosts import of_models, running, troublesome


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
def make_model(tmp_path: Path) -> Iterator[Callable[..., ModelSource]]:
    """Yield a function that writes a user's model: a name and the source of its ``model.py``.

    Nothing of such a model may run after the test. What is here has no worker that would adopt and end it.
    """

    def make(source: str, name: str = "mine") -> ModelSource:
        folder = tmp_path / "models" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "model.py").write_text(source)
        return ModelSource(name, folder / "model.py")

    yield make
    left = of_models(tmp_path)
    _, alive = psutil.wait_procs(left, timeout=5)
    for process in alive:
        process.kill()
    assert alive == [], "the test has left processes of its models behind"
