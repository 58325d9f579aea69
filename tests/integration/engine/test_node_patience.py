"""A node that recovers or writes its data for long is waited for; one that stands still is not."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.native import nodes
from engine.native.nodes import NodePart
from engine.native.postgres import PostgresNode
from engine.native.processes import spawn
from engine.native.service import Patience, SupervisedService
from tests.support.waiting import until

SERVER = """
import os, pathlib, signal, sys, time

folder = pathlib.Path(sys.argv[1])

def say(word):
    lines = [str(os.getpid()), *[""] * 6, f"{word}  "]
    (folder / "new").write_text("\\n".join(lines))
    (folder / "new").rename(folder / "postmaster.pid")

def work(until):
    while not (folder / until).exists():
        if not (folder / "hangs").exists():
            sum(range(200000))
        time.sleep(0.01)

def stop(*_):
    say("stopping")
    work("written")
    sys.exit(7)

signal.signal(signal.SIGINT, stop)
say("starting")
work("recovered")
say("ready")
while True:
    time.sleep(60)
"""


class SlowNode(PostgresNode):
    """A server that says in its postmaster.pid what it does, as PostgreSQL does, until it is told to go on."""

    def __init__(self, folder: Path) -> None:
        self.folder = self.data = folder
        self.log = folder / "postgres.log"
        self.notes = []

    def prepare(self) -> None:
        """Nothing to do."""

    def spawn(self) -> object:  # type: ignore[override]
        self.process = spawn([sys.executable, "-c", SERVER, str(self.folder)], cwd=self.folder, env={}, log=self.log)
        return self.process

    def close(self) -> None:
        self.process = None


@pytest.fixture
async def told(tmp_path: Path) -> AsyncIterator[tuple[SupervisedService, list[str], list[str]]]:
    waits: list[str] = []
    events: list[str] = []
    part = NodePart("postgres", SlowNode(tmp_path), signal.SIGINT)
    service = SupervisedService(part, Patience(), events.append, waits.append)
    service.start()
    await until((tmp_path / "postmaster.pid").exists)
    service.patience = Patience(ready_timeout_s=0.2, stop_timeout_s=3)  # the latter for a signal to arrive
    yield service, events, waits
    (tmp_path / "recovered").touch()
    (tmp_path / "written").touch()
    if service.state != "stopped":
        await service.stop()


Told = tuple[SupervisedService, list[str], list[str]]


async def test_a_node_that_recovers_and_then_writes_for_long_is_waited_for(told: Told, tmp_path: Path) -> None:
    service, events, waits = told
    await until(lambda: waits)
    await asyncio.sleep(0.5)
    assert (events, len(waits)) == ([], 1)
    (tmp_path / "recovered").touch()
    await until(service.became_ready.is_set)
    stopping = asyncio.create_task(service.stop())
    await until(lambda: len(waits) > 1)
    await asyncio.sleep(0.5)
    assert not stopping.done()
    assert events == ["postgres is ready"]
    (tmp_path / "written").touch()
    await stopping
    assert service.last_exit == "ended with exit code 7", "it was not killed"
    assert len(waits) == 2


async def test_a_node_that_stands_still_is_killed(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "_STILL_MAX_S", 2.5)
    (tmp_path / "hangs").touch()
    service, events, _ = told
    process = service.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    await until(lambda: any("is killed" in event for event in events))


async def test_a_node_that_works_without_end_is_killed(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "BUSY_MAX_S", 1.0)
    _, events, _ = told
    await until(lambda: any("is killed" in event for event in events))
