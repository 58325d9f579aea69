"""How long the supervisor waits for a program that says that it is at work."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from engine.common.state import ROOT
from engine.native.service import Patience, Program, SupervisedService
from tests.support.waiting import until

PROGRAM = """
import pathlib, signal, sys, time
from ml_service.platform.sd_notify import ask_for_patience, notify

end = pathlib.Path(sys.argv[1])

def work(*_):
    while not end.exists():
        time.sleep(0.01)

def drain(*_):
    notify("STATUS=draining")
    work()
    sys.exit(7)

signal.signal(signal.SIGTERM, drain)
if sys.argv[2:]:
    ask_for_patience(600)
notify("STATUS=loading")
work()
end.unlink()
notify("READY=1")
while True:
    time.sleep(60)
"""


class PatientWith:
    """A program of the supervisor's that loads, or drains, until it is told to go on."""

    def __init__(self, folder: Path, *asks: str) -> None:
        self.go_on = folder / "go_on"
        self.events: list[str] = []
        command = [sys.executable, "-c", PROGRAM, str(self.go_on), *asks]
        program = Program("worker-1", command, cwd=ROOT, env={}, log=folder / "worker-1.log", run=folder)
        self.service = SupervisedService(program, Patience(), self.events.append)
        self.service.start()

    async def until_it_says(self, status: str) -> None:
        await until(lambda: self.service.describe()["status"] == status)

    def lose_patience(self) -> None:
        self.service.patience = Patience(ready_timeout_s=0, stop_timeout_s=0.001)


@pytest.fixture
async def loading(tmp_path: Path) -> AsyncIterator[PatientWith]:
    program = PatientWith(tmp_path, "asks")
    await program.until_it_says("loading")
    program.lose_patience()
    yield program
    program.go_on.touch()
    if program.service.state != "stopped":
        await program.service.stop()


async def test_a_program_that_asks_for_patience_may_load_for_longer(loading: PatientWith) -> None:
    await asyncio.sleep(0.3)
    assert loading.events == []
    loading.go_on.touch()
    await until(loading.service.became_ready.is_set)
    assert loading.service.restarts == 0


async def test_a_program_that_asks_for_patience_may_drain_for_longer(loading: PatientWith) -> None:
    loading.go_on.touch()
    await until(loading.service.became_ready.is_set)
    stopping = asyncio.create_task(loading.service.stop())
    await loading.until_it_says("draining")
    loading.go_on.touch()
    await stopping
    assert loading.service.last_exit == "ended with exit code 7", "it was not killed"


async def test_a_program_that_asks_for_nothing_is_killed(tmp_path: Path) -> None:
    program = PatientWith(tmp_path)
    await program.until_it_says("loading")
    program.lose_patience()
    await until(lambda: program.service.last_exit == "was ended by SIGKILL")
    assert "and is killed" in program.events[0]
    await program.service.stop()
