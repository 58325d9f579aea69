"""App and worker processes over private nodes, to be killed, frozen, and cut off from each other."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

from engine.native.postgres import PostgresNode
from engine.native.processes import freeze_all, log_tail, signal_all, spawn, tree
from engine.native.rabbitmq import RabbitNode
from engine.native.readiness import NotifySocket
from tests.support.ports import free_port
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90.0
"""For what takes some seconds on an idle machine."""
SECRET = "Zp3tQ8vLr5xWn2KcYb7HdGf4Ms9JaEuT"

APP = "services.app.main"
WORKER = "services.ml_worker.worker"


async def started(node: PostgresNode | RabbitNode) -> None:
    """Start a node while everything else goes on; it ends with this thread, as `node.start()` has it."""
    node.prepare()
    node.spawn()
    await until(lambda: node.is_ready() or node.pid is None, 180)
    assert node.is_ready(), log_tail(node.log)


class RigProcess:
    """One of our programs. It ends with the thread that started it."""

    def __init__(self, folder: Path, name: str, module: str, env: Mapping[str, str]) -> None:
        self.name = name
        self.module = module
        self.env = dict(env)
        self.faults: list[str] = []
        self.log = folder / f"{name}.log"
        self.popen: Popen[bytes] | None = None
        self._ready = False
        self._notify = NotifySocket(folder, name)

    def start(self) -> None:
        """Start it; does not wait."""
        launcher = ["-m", "tests.support.failpoints", self.module, *self.faults] if self.faults else ["-m", self.module]
        env = {
            "PATH": os.environ["PATH"],
            "OPENBLAS_NUM_THREADS": "1",
            "NOTIFY_SOCKET": self._notify.address,
            "PYTHONPATH": str(ROOT),
            **self.env,
        }
        self._hear()
        self._ready = False
        self.popen = spawn([sys.executable, *launcher], cwd=ROOT, env=env, log=self.log)

    def _hear(self) -> None:
        def on_word(name: str, value: str) -> None:
            self._ready = self._ready or (name, value) == ("READY", "1")

        self._notify.read(None if self.popen is None else self.popen.pid, on_word)

    @property
    def is_running(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    async def until_ready(self) -> None:
        """Wait until it says so."""

        def is_ready() -> bool:
            self._hear()
            assert self.is_running, f"{self.name} ended:\n{log_tail(self.log, 30)}"
            return self._ready

        await until(is_ready, PATIENCE_S)

    async def until_ended(self, timeout_s: float = PATIENCE_S) -> int:
        """Its exit code, once it has one."""
        await until(lambda: not self.is_running, timeout_s)
        assert self.popen is not None
        return int(self.popen.returncode)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and all that it started."""
        assert self.popen is not None
        signal_all(tree(self.popen.pid), number)

    def freeze(self) -> None:
        assert self.popen is not None
        freeze_all(tree(self.popen.pid))

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """As kill -9 of the process alone; what it started has to notice by itself."""
        if self.popen is not None:
            self.popen.kill()
            self.popen.wait()

    async def restart(self, faults: Sequence[str] = ()) -> None:
        """Start it again, as a supervisor would, and wait until it is ready."""
        self.kill()
        self.faults = list(faults)
        self.start()
        await self.until_ready()

    def close(self) -> None:
        self.kill()
        self._notify.close()


TELLING = ("model_not_served", "predictions_resent", "too_much_held", "consumer_connected", "leader_elected")
"""Ordinary events that say where a prediction has gone."""


@dataclass
class Rig:
    """Two apps and two workers, or as many as were asked for.

    Attributes:
        owner_url: The database, as its owner.
        amqp_url: None where the queue is the database.
    """

    folder: Path
    owner_url: str
    amqp_url: str | None
    apps: list[RigProcess] = field(default_factory=list)
    workers: list[RigProcess] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)

    @property
    def processes(self) -> list[RigProcess]:
        return [*self.apps, *self.workers]

    def arm(self, name: str) -> Path:
        """Make the file ``name`` for which a fault waits; it is gone once the fault has happened."""
        file = self.file(name)
        file.touch()
        return file

    def file(self, name: str) -> Path:
        """A file of the rig's own."""
        return self.folder / name

    def logs(self) -> str:
        """The ends of all logs without what is ordinary, but with where predictions went."""
        parts = []
        for one in self.processes:
            lines = one.log.read_text(errors="replace").splitlines() if one.log.exists() else []
            odd = [line for line in lines if '"level":"info"' not in line or any(word in line for word in TELLING)]
            parts.append(
                f"== {one.name}\n"
                + "\n".join(line if len(line) < 600 else line[:200] + " … " + line[-400:] for line in odd[-12:])
            )
        return "\n".join(parts)

    def said(self, word: str) -> bool:
        """Whether a process has logged ``word``."""
        return any(word in one.log.read_text(errors="replace") for one in self.processes if one.log.exists())


def role_url(owner_url: str, role: str, host: Path | str | None = None) -> str:
    """The same database for a service's role; ``host``: through a proxy, see `Setup`."""
    url = owner_url.replace("postgres@", f"ml_service_{role}@")
    return url if host is None else url.partition("?host=")[0] + f"?host={host}"


def socket_of(owner_url: str) -> str:
    """The path of the server's unix socket."""
    return owner_url.partition("?host=")[2] + "/.s.PGSQL.5432"


@dataclass
class Setup:
    """How a rig is made.

    Attributes:
        env: More settings, for all processes.
        faults: For `failpoints`, by the process's name; "{folder}" is the rig's.
        app_database_host, worker_database_host: Of proxies in front of PostgreSQL: the folder of a socket, or
            ``<address>&port=<number>``.
    """

    apps: int = 2
    workers: int = 2
    models: str = "echo"
    env: dict[str, str] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)
    app_database_host: Path | str | None = None
    worker_database_host: Path | str | None = None


def _environment(setup: Setup, amqp_url: str | None) -> dict[str, str]:
    return {
        "JWT_SECRET": SECRET,
        "ACCESS_TOKEN_LIFETIME_S": "7200",
        "REGISTRATIONS_PER_HOUR_MAX": "10000",
        "STARTING_CREDITS": "100000",
        "DEFAULT_MODEL": "echo",
        "MODE": "production",
        "MODELS": setup.models,
        "MODELS_FOLDER": "tests/models",
        "QUEUE_BACKEND": "rabbitmq" if amqp_url else "postgres",
        **({"AMQP_URL": amqp_url} if amqp_url else {}),
        **setup.env,
    }


@asynccontextmanager
async def running_rig(owner_url: str, amqp_url: str | None, setup: Setup | None = None) -> AsyncIterator[Rig]:
    """Start everything and wait until it is ready; kill all of it at the end, whatever happens."""
    setup = setup or Setup()
    rig = Rig(Path(tempfile.mkdtemp(prefix="rig-")), owner_url, amqp_url)
    env = _environment(setup, amqp_url)
    try:
        for number in range(1, setup.workers + 1):
            url = role_url(owner_url, "worker", setup.worker_database_host)
            own = {**env, "DATABASE_URL": url, "WORKER_NAME": f"worker-{number}"}
            rig.workers.append(RigProcess(rig.folder, f"worker-{number}", WORKER, own))
        for number in range(1, setup.apps + 1):
            port = free_port()
            own = {**env, "DATABASE_URL": role_url(owner_url, "app", setup.app_database_host), "PORT": str(port)}
            rig.apps.append(RigProcess(rig.folder, f"app-{number}", APP, own))
            rig.urls.append(f"http://127.0.0.1:{port}")
        for process in rig.processes:
            process.faults = [one.format(folder=rig.folder) for one in setup.faults.get(process.name, [])]
            process.start()
        for process in rig.processes:
            await process.until_ready()
        yield rig
    except BaseException as error:
        error.add_note(rig.logs())
        raise
    finally:
        for process in rig.processes:
            process.close()
        shutil.rmtree(rig.folder, ignore_errors=True)
