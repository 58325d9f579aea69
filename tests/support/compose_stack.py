"""The whole system in containers, started from a copy of the project as a new user has it, by start.py or Compose."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2

from engine.common.state import ROOT
from engine.docker import compose, containers
from engine.docker.containers import Container
from engine.native.processes import wait_until
from tests.support.ports import free_port
from tests.support.system import System

HEALTHY_S = 240
_LEFT_OUT = shutil.ignore_patterns("var", ".*", "__pycache__", "tests", "benchmarks", "node_modules")
_OURS = ("HTTP_", "ML_", "APP_", "MODE", "RABBITMQ_", "POSTGRES_", "WORKER_", "BOT_", "NGINX_", "COMPOSE_", "MODELS")


def copy_project(target: Path) -> Path:
    """The project as git has it: no environment, no state, no settings."""
    shutil.copytree(ROOT, target, ignore=_LEFT_OUT)
    for name in (".dockerignore", *(str(one.relative_to(ROOT)) for one in ROOT.glob("services/*/.env.example"))):
        shutil.copy2(ROOT / name, target / name)
    return target


@dataclass
class Stack(System):
    """A System whose processes are containers."""

    ui_port: int = field(default_factory=free_port)
    more: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """A terminal's, with ports of our own; nothing of it is set for a user, who has 80 and 15672."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
        return {**kept, "HTTP_PORT": str(self.port), "RABBITMQ_UI_PORT": str(self.ui_port), **self.more}

    def run(self, *arguments: str, expected: int = 0, timeout_s: float = 600) -> str:
        """Run `start.py` by a Python that has nothing of ours installed."""
        python = getattr(sys, "_base_executable", sys.executable)
        return self.command(python, "start.py", *arguments, expected=expected, timeout_s=timeout_s)

    def start(self, *more: str) -> str:
        """Start it as a user does, on the docker engine."""
        return self.run("--start", "--engine", "docker", *more)

    def compose(self, *arguments: str, expected: int = 0) -> str:
        """Run Compose in the project's folder."""
        return self.command(*compose.command(), *arguments, expected=expected)

    def command(self, *command: str, expected: int = 0, timeout_s: float = 600) -> str:
        """Run a command in the project's folder; what it printed."""
        done = subprocess.run(
            command,
            cwd=self.root,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert done.returncode == expected, f"{command}: exit code {done.returncode}\n{done.stdout[-6000:]}"
        return done.stdout

    def containers(self, service: str | None = None) -> list[Container]:
        """The containers that do not end by themselves, or those of one service."""
        there = [one for one in containers.of(self.root) if not one.is_one_shot]
        return [one for one in there if service is None or one.service == service]

    def inspect(self, one: Container) -> dict[str, Any]:
        """All that Docker knows of it."""
        found: list[dict[str, Any]] = json.loads(self.command("docker", "inspect", one.id))
        return found[0]

    def inside(self, one: Container, *command: str, expected: int = 0) -> str:
        """Run a command in a container."""
        return self.command("docker", "exec", one.id, *command, expected=expected)

    def kill_main_process(self, one: Container) -> None:
        """As a crash does; `docker kill` would count as a person's stop, after which nothing is restarted."""
        self.command("kill", "-9", str(one.pid))

    def until(self, condition: Callable[[], object], timeout_s: float = HEALTHY_S) -> None:  # type: ignore[override]
        """Wait until something is so."""
        came = wait_until(lambda: bool(condition()), timeout_s, 0.5)
        assert came, "\n".join(f"{one.name}: {one.state} {one.health}" for one in self.containers()) + self.logs()

    def until_healthy(self) -> None:
        """Wait until every container does its work."""
        self.until(lambda: self.containers() and all(one.is_well for one in self.containers()))

    def logs(self) -> str:
        """The ends of all logs, for a failed test."""
        return self.compose("logs", "--tail", "12")

    def end(self) -> None:
        """Leave no container, volume or network."""
        self.compose("down", "-v", "--remove-orphans", "--timeout", "5")
        assert containers.of(self.root) == []

    def get(self, path: str, **options: Any) -> httpx2.Response:
        """An answer of the only door."""
        return httpx2.get(self.url + path, timeout=60, **options)


@contextmanager
def stack_in(folder: Path, name: str, **settings: str) -> Iterator[Stack]:
    """A stack in a tree of its own, not started yet; nothing of it is left when the block ends."""
    stack = Stack(copy_project(folder / name), "rabbitmq", free_port(), more={"MODELS": "echo,sentiment", **settings})
    try:
        yield stack
    finally:
        stack.end()
