"""Starts a peer's processes. Each peer has its own file in peers/."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from uuid import UUID

from benchmarks import broker
from benchmarks.peers import TASKS
from benchmarks.place import ROOT, SECRET, BenchmarkFailed, Place, Running, inherited, stopping
from engine.native.processes import log_tail, spawn

PEERS = {"Celery": "celery", "Dramatiq": "dramatiq", "Taskiq": "taskiq", "FastStream": "faststream"}
"""Name → library; the peer's file is named after the library."""
WORKERS = 2


def missing() -> list[str]:
    """The peers' libraries that are not installed."""
    return [library for library in (*PEERS.values(), "psycopg", "taskiq_aio_pika") if find_spec(library) is None]


def versions() -> str:
    """The versions of the peers."""
    return ", ".join(f"{name} {version(library)}" for name, library in PEERS.items())


def module_of(name: str) -> str:
    """The peer's module."""
    return f"benchmarks.peers.{PEERS[name]}_peer"


def environment(place: Place, database: str) -> dict[str, str]:
    """A peer connects as the owner of the database, so that no permission checks cost it time."""
    url = place.postgres.dsn(database)
    return {**inherited(), "DATABASE_URL": url, "AMQP_URL": place.amqp_url, "JWT_SECRET": SECRET}


@asynccontextmanager
async def workers(place: Place, database: str, name: str, number: int = WORKERS) -> AsyncIterator[Sequence[Running]]:
    """The peer's worker processes, once the broker knows all of them as consumers."""
    env = environment(place, database)
    running = [_start(place, name, env, at) for at in range(number)]
    async with stopping(*running):
        try:
            await broker.until(place.amqp_url, TASKS, consumers=number, timeout_s=30)
        except BenchmarkFailed as error:
            raise BenchmarkFailed(f"{name}: {error}. Its log ends:\n{log_tail(running[0].log)}") from None
        yield running


def _start(place: Place, name: str, env: Mapping[str, str], at: int) -> Running:
    log: Path = place.folder / "logs" / f"{PEERS[name]}-{at}.log"
    command = [sys.executable, "-m", module_of(name), "work"]
    process: subprocess.Popen[bytes] = spawn(command, cwd=ROOT, env=env, log=log)
    return Running(name, process, log, None)


@asynccontextmanager
async def apps(place: Place, database: str, name: str, number: int) -> AsyncIterator[tuple[Sequence[Running], int]]:
    """App processes of the peer on one socket, and its port."""
    env = environment(place, database)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listening:
        fd, port = listening.fileno(), listening.getsockname()[1]
        running = [
            place.spawn(f"{PEERS[name]}-app", module_of(name), "serve", env=env, listen_fd=fd) for _ in range(number)
        ]
        async with stopping(*running):
            yield running, port


async def publish(place: Place, database: str, name: str, ids: Sequence[UUID]) -> None:
    """Publish a backlog of tasks; raises BenchmarkFailed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module_of(name),
        "publish",
        cwd=ROOT,
        env=environment(place, database),
        stdin=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, error = await process.communicate("\n".join(map(str, ids)).encode())
    if process.returncode:
        raise BenchmarkFailed(f"{name} did not publish: {error.decode()[-600:]}")
