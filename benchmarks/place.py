"""The place of a benchmark: private nodes with durable settings, fresh databases, and programs that end with us."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import asyncpg
import psutil

from engine.native.postgres import PostgresNode
from engine.native.processes import freeze_all, log_tail, signal_all, tree
from engine.native.rabbitmq import RabbitNode
from engine.native.service import Program
from ml_service.storage.schema import migrate

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "migrated"
SECRET = "a benchmark has no secrets, only a key of the right length"  # noqa: S105
READY_S = 60.0
STOP_S = 30.0


class BenchmarkFailed(Exception):
    """A system did not do the work that should be measured; the message says what failed."""


def cpu_s(*pids: int | None) -> float:
    """CPU seconds used by these processes and their descendants, including reaped ones.

    A parent's counters include its reaped children, so the sum never falls while the roots live.
    """
    total = 0.0
    for root in pids:
        for pid in tree(root) if root is not None else []:
            with suppress(psutil.Error):
                total += sum(psutil.Process(pid).cpu_times()[:4])
    return total


def pss_bytes(pid: int) -> int:
    """Proportional set size of one process: private memory plus its share of shared memory (proc(5))."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "Pss":
            return int(value.split()[0]) * 1024
    raise BenchmarkFailed(f"/proc/{pid}/smaps_rollup has no Pss")


@dataclass(frozen=True, slots=True)
class Running:
    """A program of a benchmark; ``program`` is None if it does not report readiness."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    program: Program | None

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    async def ready(self) -> None:
        """Wait until it reports readiness; raises BenchmarkFailed if it never does."""
        assert self.program is not None  # noqa: S101
        end = time.monotonic() + READY_S
        while not self.program.is_ready():
            if self.process.poll() is not None or time.monotonic() > end:
                raise BenchmarkFailed(f"{self.name} does not start. The end of its log:\n{log_tail(self.log)}")
            await asyncio.sleep(0.02)

    def freeze(self) -> None:
        """Stop it and its children in mid-air, until `resume`."""
        freeze_all(tree(self.pid))

    def resume(self) -> None:
        """Send SIGCONT to it and its children."""
        signal_all(tree(self.pid), signal.SIGCONT)

    async def stop(self) -> None:
        """Stop it with SIGTERM, then SIGKILL."""
        family = tree(self.pid)
        self.resume()
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGTERM)
        end = time.monotonic() + STOP_S
        while self.process.poll() is None and time.monotonic() < end:  # noqa: ASYNC110  we have no event for its end
            await asyncio.sleep(0.02)
        if self.process.poll() is None:
            signal_all(family, signal.SIGKILL)
            self.process.wait()
        if self.program is not None:
            self.program.close()


class Place:
    """Nodes, databases and programs of one run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.postgres = PostgresNode(folder / "postgres")
        self.rabbit = RabbitNode(folder / "rabbitmq")
        self._numbers = count(1)

    @property
    def amqp_url(self) -> str:
        """The URL of the broker's only virtual host."""
        return self.rabbit.amqp_url

    @property
    def node_pids(self) -> dict[str, int]:
        """The running nodes: name → pid."""
        nodes = {"PostgreSQL": self.postgres.pid, "RabbitMQ": self.rabbit.pid}
        return {name: pid for name, pid in nodes.items() if pid is not None}

    async def start(self) -> None:
        """Start the nodes and create the template database."""
        self.postgres.start()
        self.rabbit.start(timeout_s=100)
        self.postgres.create_database(TEMPLATE)
        await migrate(self.postgres.dsn(TEMPLATE))
        connection = await asyncpg.connect(self.postgres.dsn(TEMPLATE))
        with suppress(asyncpg.PostgresError):  # only profiling needs it, and not every build has it
            await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        await connection.close()

    def close(self) -> None:
        """Stop the nodes and delete their data."""
        self.rabbit.kill()
        self.rabbit.close()
        self.postgres.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        """Yield the name of a fresh, migrated database; drop it at the end."""
        name = f"bench_{next(self._numbers)}"
        await self._execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}", "CHECKPOINT")
        try:
            yield name
        finally:
            await self._execute(f"DROP DATABASE {name} WITH (FORCE)", "CHECKPOINT")

    async def _execute(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.postgres.dsn())
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    @asynccontextmanager
    async def session(self, database: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """A connection as the database's owner."""
        connection = await asyncpg.connect(self.postgres.dsn(database), command_timeout=3600)
        try:
            yield connection
        finally:
            await connection.close()

    def spawn(
        self, name: str, module: str, *arguments: str, env: Mapping[str, str], listen_fd: int | None = None
    ) -> Running:
        """Start ``python -m module arguments``, which reports its readiness."""
        number = next(self._numbers)
        log = self.folder / "logs" / f"{name}-{number}.log"
        run = self.folder / "run"
        run.mkdir(parents=True, exist_ok=True)
        program = Program(
            f"{name}-{number}",
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**inherited(), **env},
            log=log,
            run=run,
            listen_fd=listen_fd,
        )
        return Running(name, program.spawn(), log, program)


def inherited() -> dict[str, str]:
    """The variables that programs inherit: none that would change what they do."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
    return {name: os.environ[name] for name in kept if name in os.environ}


@asynccontextmanager
async def stopping(*programs: Running) -> AsyncIterator[None]:
    """Wait until all are ready; stop them at the end in any case."""
    async with AsyncExitStack() as stack:
        for program in programs:
            stack.push_async_callback(program.stop)
        for program in programs:
            if program.program is not None:
                await program.ready()
        yield
