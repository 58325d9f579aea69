"""A worker loads a model again when an operator asks for it, whatever went wrong with the last one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import structlog

from ml_service.messaging.connect import connect_queue
from ml_service.platform.settings.worker import WorkerSettings
from ml_service.runtime.host.model_folders import discover
from ml_service.runtime.host.model_host import ModelHost
from ml_service.storage import models
from ml_service.storage.database import Database, Session
from services.ml_worker.lane import Lane
from services.ml_worker.wiring import WorkerService
from tests.support.hosts import QUICK
from tests.support.play import Play, announce_served
from tests.support.rig import role_url
from tests.support.service import ECHO
from tests.support.waiting import until

MINE = """
from ml_service.runtime.author import Model

class Mine(Model):
    name = "my-own"
    version = "1"
    description = "A test."
    input_schema = output_schema = {"type": "object"}

    def predict(self, inputs):
        return inputs
"""


@pytest.fixture
def two_folders(tmp_path: Path) -> Path:
    """A folder of models in which two are called alike; returns one of both."""
    for name in ("my-own", "my_own"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.py").write_text(MINE)
    return tmp_path / "my_own"


@pytest.fixture
async def worker(play: Play, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WorkerService]:
    """A worker in this process that serves ``echo``, and knows which restarts were asked for before it started."""
    listens = asyncio.Event()
    restarts_asked = models.restarts_asked

    async def listen(session: Session, names: Sequence[str]) -> dict[str, datetime]:
        found = await restarts_asked(session, names)
        listens.set()
        return found

    monkeypatch.setattr(models, "restarts_asked", listen)
    url = role_url(play.url, "worker")
    settings = WorkerSettings(
        database_url=url, worker_heartbeat_s=0.1, default_model="echo", mode="production", models_folder=tmp_path
    )
    async with AsyncExitStack() as stack:
        database = await Database.connect(url, name="worker")
        stack.push_async_callback(database.close)
        queue = await connect_queue("postgres", database_url=url)
        stack.push_async_callback(queue.close)
        found = discover(["+echo"], tmp_path)
        hosts = {"echo": ModelHost(found.models["echo"], QUICK)}
        worker = WorkerService(settings, database, database, queue, hosts, found.problems)
        stop = asyncio.Event()
        serving = asyncio.create_task(worker.serve(stop))
        try:
            await until(lambda: worker.presence().models and listens.is_set())
            yield worker
        finally:
            stop.set()
            await serving
            for host in hosts.values():
                await host.close()


async def restart(play: Play, worker: WorkerService) -> None:
    """Ask for a restart and wait until the model is served by another process."""
    before = worker.hosts["echo"]
    async with play.database.autocommit() as session:
        assert await models.ask_restart(session, "echo")
    await until(lambda: worker.hosts["echo"] is not before and worker.presence().models, timeout_s=20)
    assert worker.hosts["echo"].ready


async def test_a_model_that_could_not_be_closed_is_started_again(
    play: Play, worker: WorkerService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("cannot be closed")

    first = worker.hosts["echo"]
    with structlog.testing.capture_logs() as logs:
        with monkeypatch.context() as patched:
            patched.setattr(first, "close", refuse)
            patched.setattr(Lane, "drain", refuse)
            await restart(play, worker)
        await restart(play, worker)
    said = [entry["event"] for entry in logs if entry["log_level"] == "error" and entry["exc_info"]]
    assert said == ["lane_not_drained", "model_not_closed"]
    await first.close()


async def test_restarts_are_heard_after_one_that_failed(
    play: Play, worker: WorkerService, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    async def refuse(_: WorkerService, name: str) -> None:
        asked.append(name)
        raise RuntimeError("a bug")

    with structlog.testing.capture_logs() as logs, monkeypatch.context() as patched:
        patched.setattr(WorkerService, "_restart", refuse)
        async with play.database.autocommit() as session:
            assert await models.ask_restart(session, "echo")
        await until(lambda: any(entry["event"] == "model_not_restarted" for entry in logs), timeout_s=20)
        await asyncio.sleep(0.3)
    assert asked == ["echo"], "it is not tried again and again"
    await restart(play, worker)


async def test_restarts_are_heard_after_they_could_not_be_read(
    play: Play, worker: WorkerService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise RuntimeError("a bug")

    with structlog.testing.capture_logs() as logs, monkeypatch.context() as patched:
        patched.setattr(models, "restarts_asked", refuse)
        await until(lambda: any(entry["event"] == "restarts_not_read" for entry in logs), timeout_s=20)
    await restart(play, worker)


async def test_a_model_that_was_left_out_is_served_after_its_folder_is_mended(
    play: Play, two_folders: Path, worker: WorkerService
) -> None:
    async def ask() -> None:
        async with play.database.autocommit() as session:
            assert await models.ask_restart(session, "my-own")

    def reason() -> str:
        return worker.presence().model_states["my-own"].reason

    assert "are both the model my-own" in reason()
    own = replace(ECHO, name="my-own", input_schema={"type": "object"}, output_schema={"type": "object"})
    async with play.database.autocommit() as session:
        await announce_served(session, own)
    file = two_folders.with_name("my-own") / "model.py"
    shutil.rmtree(two_folders)
    file.unlink()
    await ask()
    await until(lambda: "has no model.py" in reason(), timeout_s=20)
    file.write_text(MINE)
    await ask()
    await until(lambda: "my-own@1" in worker.presence().models, timeout_s=20)
    assert reason() == ""
    assert worker.hosts["my-own"].ready
