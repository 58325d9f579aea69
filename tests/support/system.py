"""A whole system, started by the real `start.py` in a tree of its own, as a user has it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import psutil

from engine.common.state import ROOT, Places
from engine.native import control
from engine.native.processes import is_running, running_in, wait_until
from engine.setup import Environment, ensure

PATIENCE_S = 120
"""For what takes a second or two on an idle machine."""
LOOKS = 20
"""Connections in a row that do not all reach the same of two processes."""

_LEFT_OUT = shutil.ignore_patterns("var", ".*", "__pycache__", "tests", "benchmarks", "node_modules")
_PASSED_ON = ("OPENBLAS_", "REQUIRE_ALL", "CI")


def copy_tree(target: Path) -> Path:
    """The project as it lies here, with its `.venv` but without its state, settings and secrets."""
    shutil.copytree(ROOT, target, ignore=_LEFT_OUT)
    for example in ROOT.glob("services/*/.env.example"):
        shutil.copy2(example, target / example.relative_to(ROOT))
    return share_environment(target)


def share_environment(target: Path) -> Path:
    """Let the tree ``target`` use this one's `.venv`: installing it takes minutes."""
    ensure(Environment(), tests=True)
    (target / ".venv").symlink_to(ROOT / ".venv")
    return target


@dataclass
class System:
    """One tree and what runs in it."""

    root: Path
    queue: str
    port: int
    models: str = "echo,sentiment"
    """What workers serve: loading a model takes a second of each worker's start; empty means all."""
    apps: int | None = 2
    """Processes of the app, which must agree on what tests ask them; None: as many as `start.py` chooses."""
    output: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def home(self) -> Path:
        """Home of the user who starts it; it should stay empty."""
        return self.root.with_name(self.root.name + "-home")

    def environment(self) -> dict[str, str]:
        """The little that a user's terminal has."""
        kept = {name: value for name, value in os.environ.items() if name.startswith(_PASSED_ON)}
        self.home.mkdir(exist_ok=True)
        path = f"{self.root / '.venv/bin'}:{os.environ['PATH']}"
        home = str(self.home)
        apps = {} if self.apps is None else {"APP_PROCESSES": str(self.apps)}
        return {**kept, "PATH": path, "LANG": "C.UTF-8", "HOME": home, "TMPDIR": home, "MODELS": self.models, **apps}

    def run(
        self,
        *arguments: str,
        expected: int = 0,
        timeout_s: float = 2 * PATIENCE_S,
        more: Mapping[str, str] | None = None,
    ) -> str:
        """Run `start.py` with ``arguments``, in an environment with ``more``; what it printed."""
        done = subprocess.run(
            [sys.executable, "start.py", *arguments],
            cwd=self.root,
            env={**self.environment(), **(more or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == expected, f"{arguments}: exit code {done.returncode}\n{done.stdout}\n{self.logs()}"
        return done.stdout

    def start(self, *more: str) -> str:
        """Start it, two workers where ``more`` does not say another number."""
        workers = [] if "--workers" in more else ["--workers", "2"]
        options = ["--engine", "native", "--queue", self.queue, "--port", str(self.port)]
        return self.run("--start", *options, *workers, *more)

    def ask(self) -> dict[str, Any]:
        """The supervisor's own view, at once; empty when none runs."""
        return control.ask(Places(self.root / "var"), {"op": "status"}) or {}

    def pids(self) -> dict[str, int | None]:
        """Process ids by name."""
        return {one["name"]: one["pid"] for one in self.ask()["processes"]}

    def until(self, condition: Callable[[dict[str, Any]], object], timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """Wait until the supervisor's view is as wanted."""
        came = wait_until(lambda: bool(condition(self.ask())), timeout_s, 0.1)
        assert came, f"{self.ask()}\n{self.logs()}"
        return self.ask()

    def until_all_ready(self) -> dict[str, Any]:
        """Wait until each process is ready."""
        return self.until(
            lambda status: (
                status.get("state") == "healthy" and all(one["state"] == "ready" for one in status["processes"])
            )
        )

    def until_every_app(self, is_so: Callable[[httpx2.Client], object]) -> None:
        """Wait until all processes of the app answer as wanted: each reads models and load every second by itself.

        The client makes a connection for each request, which any of them may take; so it asks many times in a row.
        """
        with httpx2.Client(base_url=self.url, headers={"Connection": "close"}, timeout=60) as client:
            came = wait_until(lambda: all(is_so(client) for _ in range(LOOKS)), PATIENCE_S, 0.1)
        assert came, f"{self.ask()}\n{self.logs()}"

    def until_listed(self, model: str, **fields: object) -> None:
        """Wait until all processes of the app list the model so, such as with ``is_live=True``."""

        def is_listed(client: httpx2.Client) -> bool:
            items = client.get("/models").raise_for_status().json()["items"]
            return any(one["name"] == model and fields.items() <= one.items() for one in items)

        self.until_every_app(is_listed)

    def processes(self) -> list[int]:
        """All its processes: the supervisor, its descendants, and every process that works in its folders."""
        found = {pid for folder in [self.root, *self.root.glob("var/*/")] for pid in running_in(folder)}
        if pid := self.ask().get("pid"):
            found |= {pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))}
        return sorted(found)

    def child_of(self, worker: str, model: str) -> int | None:
        """The process of ``worker`` in which ``model`` runs."""
        pid = self.pids().get(worker)
        for child in psutil.Process(pid).children(recursive=True) if pid else []:
            try:
                command = " ".join(child.cmdline())
            except psutil.Error:
                continue
            if "ml_service.runtime.child" in command and f'"name": "{model}"' in command:
                return int(child.pid)
        return None

    def kill(self, pid: int | None) -> None:
        """`kill -9` of one process of ours."""
        assert pid in self.processes(), (pid, self.ask())
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    @contextmanager
    def workers_frozen(self) -> Iterator[None]:
        """Nothing is claimed within the block."""
        frozen = [psutil.Process(pid) for name, pid in self.pids().items() if name.startswith("worker")]
        for process in frozen:
            process.suspend()
        try:
            yield
        finally:
            for process in frozen:
                process.resume()

    def kill_and_see_it_back(self, name: str) -> None:
        """Kill the process ``name`` and wait until another one of that name is ready."""
        killed = self.pids()[name]
        self.kill(killed)

        def is_back(status: dict[str, Any]) -> bool:
            now = next(one for one in status["processes"] if one["name"] == name)
            return now["state"] == "ready" and now["pid"] not in (None, killed)

        self.until(is_back)

    def logs(self) -> str:
        """The ends of all logs, for a failed test."""
        files = sorted(self.root.glob("var/logs/*.log"))
        return "\n".join(f"== {file.name}\n{file.read_text(errors='replace')[-2500:]}" for file in files)

    def left_of(self, before: Iterable[int]) -> list[int]:
        """Which processes, of those that were there ``before`` and any new ones, still run after a stop.

        The supervisor frees its lock, which is what a stop waits for, some moments before Python lets it go.
        """
        pids = {*before, *self.processes()}
        wait_until(lambda: not any(map(is_running, pids)), PATIENCE_S / 4, 0.1)
        return [pid for pid in pids if is_running(pid)]

    def end(self) -> None:
        """Leave nothing running, whatever state it is in; raises when something had to be killed."""
        before = self.processes()
        if before:
            self.run("--stop")
        left = self.left_of(before)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert left == [], f"still there after --stop: {left}\n{self.logs()}"

    def client(self, username: str = "test", password: str = "test") -> httpx2.Client:
        """A signed-in client."""
        form = {"username": username, "password": password}
        answer = httpx2.post(f"{self.url}/token", data=form, timeout=60)
        assert answer.status_code == 200, answer.text
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=60)

    def register(self, username: str, credits_: int = 0) -> httpx2.Client:
        """A new user, signed in, with ``credits_`` over the starting ones."""
        password = "a quiet green river"
        answer = httpx2.post(f"{self.url}/users", json={"username": username, "password": password}, timeout=60)
        assert answer.status_code == 201, answer.text
        if credits_:
            self.run("--cli", "admin", "top-up", username, str(credits_))
        return self.client(username, password)
