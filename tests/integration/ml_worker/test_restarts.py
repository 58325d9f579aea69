"""A worker loads a model again when an operator asks for it, whatever went wrong with the last one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
import structlog

from ml_service.messaging.connect import connect_queue
from ml_service.platform.settings.ml_worker import WorkerSettings
from ml_service.runtime.host.model_folders import discover
from ml_service.runtime.host.model_host import ModelHost
from ml_service.storage import model_restarts
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
    asked = model_restarts.asked

    async def listen(session: Session) -> dict[str, datetime]:
        found = await asked(session)
        listens.set()
        return found

    monkeypatch.setattr(model_restarts, "asked", listen)
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
        await worker.heartbeat.start()
        stack.push_async_callback(worker.heartbeat.stop)
        stop = asyncio.Event()
        serving = asyncio.create_task(worker.serve(stop))
        try:
            await until(lambda: worker.presence().models and listens.is_set() and worker.heartbeat.is_alive)
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
        assert await model_restarts.ask(session, "echo")
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
        patched.setattr(WorkerService, "_begin_again", refuse)
        async with play.database.autocommit() as session:
            assert await model_restarts.ask(session, "echo")
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
        patched.setattr(model_restarts, "asked", refuse)
        await until(lambda: any(entry["event"] == "restarts_not_read" for entry in logs), timeout_s=20)
    await restart(play, worker)


async def test_a_model_that_was_left_out_is_served_after_its_folder_is_mended(
    play: Play, two_folders: Path, worker: WorkerService
) -> None:
    async def ask() -> None:
        async with play.database.autocommit() as session:
            assert await model_restarts.ask(session, "my-own")

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


async def tell(play: Play, name: str, *worker_ids: str) -> None:
    """Have these workers load a model again, or without any all that listen."""
    async with play.database.autocommit() as session:
        await model_restarts.tell(session, name, worker_ids or None)


def write(folder: Path, code: str = MINE) -> Path:
    """Write a folder of the model ``my-own``; returns it."""
    folder.mkdir()
    (folder / "model.py").write_text(code)
    return folder


async def test_only_the_workers_that_are_meant_load_a_model_again(play: Play, worker: WorkerService) -> None:
    first = worker.hosts["echo"]
    await tell(play, "echo", "worker-other-1")
    await asyncio.sleep(1)
    assert worker.hosts["echo"] is first
    await tell(play, "echo", "worker-other-1", worker.id)
    await until(lambda: worker.hosts["echo"] is not first and worker.presence().models, timeout_s=20)


async def test_a_new_folder_is_taken_up_when_it_is_asked_for(play: Play, worker: WorkerService, tmp_path: Path) -> None:
    write(tmp_path / "my-own")
    await asyncio.sleep(0.5)
    assert "my-own" not in worker.presence().model_states, "it may be half written"
    await tell(play, "my-own")
    await until(lambda: "my-own@1" in worker.presence().models, timeout_s=20)


async def test_a_model_that_nobody_named_is_not_taken_up(play: Play, worker: WorkerService) -> None:
    await tell(play, "file-type")  # bundled, and served only where the settings name it
    await tell(play, "no-such-model")
    await restart(play, worker)
    assert worker.presence().model_states.keys() == {"echo"}


async def test_a_model_that_could_not_be_loaded_is_tried_at_once_when_it_is_asked_for(
    play: Play, worker: WorkerService, tmp_path: Path
) -> None:
    folder = write(tmp_path / "my-own", "import no_such_package")
    await tell(play, "my-own")
    await until(lambda: "no_such_package" in failure(worker), timeout_s=20)
    failing = worker.hosts["my-own"]
    (folder / "model.py").write_text(MINE)
    await tell(play, "my-own")
    await until(lambda: "my-own@1" in worker.presence().models, timeout_s=20)
    assert worker.hosts["my-own"] is not failing


@pytest.mark.parametrize("code", ["import no_such_package", ""])
async def test_a_model_that_failed_is_reported_no_longer_once_its_folder_is_gone(
    play: Play, worker: WorkerService, tmp_path: Path, code: str
) -> None:
    folder = write(tmp_path / "my-own", code or MINE)
    if not code:
        (folder / "model.py").unlink()  # a folder that is no model
    await tell(play, "my-own")
    await until(lambda: failure(worker), timeout_s=20)
    shutil.rmtree(folder)
    await until(lambda: "my-own" not in worker.presence().model_states, timeout_s=20)
    assert "my-own" not in worker.hosts


async def test_a_model_that_is_served_is_served_on_without_its_folder_until_it_is_restarted(
    play: Play, worker: WorkerService, tmp_path: Path
) -> None:
    folder = write(tmp_path / "my-own")
    await tell(play, "my-own")
    await until(lambda: "my-own@1" in worker.presence().models, timeout_s=20)
    shutil.rmtree(folder)
    await asyncio.sleep(0.5)
    assert "my-own@1" in worker.presence().models
    await tell(play, "my-own")
    await until(lambda: "my-own" not in worker.presence().model_states, timeout_s=20)


def failure(worker: WorkerService) -> str:
    """Why the worker does not serve ``my-own``; empty while it does not say so."""
    said = worker.presence().model_states.get("my-own")
    return said.reason if said is not None and said.state == "failed" else ""
