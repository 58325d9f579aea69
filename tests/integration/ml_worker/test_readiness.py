"""What a worker tells its supervisor while its models load, or cannot be loaded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from ml_service.messaging.connect import connect_queue
from ml_service.platform.settings.ml_worker import WorkerSettings
from ml_service.runtime.host.model_folders import discover
from ml_service.runtime.host.model_host import ModelHost
from ml_service.storage.database import Database
from services.ml_worker import wiring
from services.ml_worker.wiring import WorkerService
from tests.support.hosts import QUICK
from tests.support.play import Play
from tests.support.rig import role_url
from tests.support.waiting import until

MODEL = """
import pathlib, time
from ml_service.runtime.author import Model

class One(Model):
    name = "{name}"
    version = "1"
    description = "Loads, or does not."
    input_schema = {{"type": "object"}}
    output_schema = {{"type": "object"}}

    def load(self):
        {load}

    def predict(self, inputs):
        return inputs
"""


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the worker in this process tells."""
    said: list[str] = []
    monkeypatch.setattr(wiring, "notify", said.append)
    monkeypatch.setattr(wiring, "ask_for_patience", lambda time_s: said.append(f"patience for {time_s:g} s"))
    return said


@asynccontextmanager
async def working(play: Play, folder: Path, models: dict[str, str], **settings: object) -> AsyncIterator[WorkerService]:
    for name, load in models.items():
        (folder / name).mkdir()
        (folder / name / "model.py").write_text(MODEL.format(name=name, load=load))
    url = role_url(play.url, "worker")
    async with AsyncExitStack() as stack:
        database = await Database.connect(url, name="worker")
        stack.push_async_callback(database.close)
        queue = await connect_queue("postgres", database_url=url)
        stack.push_async_callback(queue.close)
        found = discover(list(models), folder)
        hosts = {name: ModelHost(source, QUICK) for name, source in found.models.items()}
        chosen = WorkerSettings.model_validate({"database_url": url, **settings})
        worker = WorkerService(chosen, database, database, queue, hosts, found.problems)
        stop = asyncio.Event()
        serving = asyncio.create_task(worker.serve(stop))
        try:
            yield worker
        finally:
            stop.set()
            await serving
            await asyncio.gather(*(host.close() for host in hosts.values()))


async def test_a_worker_asks_for_patience_while_its_default_model_loads_and_while_it_drains(
    play: Play, tmp_path: Path, said: list[str]
) -> None:
    end = tmp_path / "end"
    models = {"slow": f"while not pathlib.Path({str(end)!r}).exists(): time.sleep(0.01)", "quick": "pass"}
    async with working(play, tmp_path, models, default_model="slow", drain_timeout_s=100) as worker:
        await until(lambda: any(word.startswith("STATUS=") for word in said))
        assert said[0] == "patience for 60 s"
        assert "READY=1" not in said
        end.touch()
        await until(lambda: "READY=1" in said)
        assert len(worker.presence().models) == 2
    assert said[-2:] == ["STOPPING=1", "patience for 115 s"]


@pytest.mark.parametrize("default_model", ["broken", "sentiment"])
async def test_a_worker_that_can_load_none_of_its_models_has_started_and_says_so(
    default_model: str, play: Play, tmp_path: Path, said: list[str]
) -> None:
    async with working(play, tmp_path, {"broken": "raise RuntimeError"}, default_model=default_model) as worker:
        await until(lambda: "READY=1" in said)
        assert said[-1] == f"STATUS={worker.id}: broken failed"
        assert worker.presence().state == "starting"
