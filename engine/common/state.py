"""What the engine keeps in ``var/``: where things are, the lock, secrets, and what was started last."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.common.errors import EngineError
from engine.common.limits import PORT_MAX, WORKERS_MAX
from ml_service.platform.generated_secrets import DamagedSecrets, keep_secrets

CALLER_FOLDER = Path(os.environ.get("START_PY_CALLED_IN") or Path.cwd())
"""Where start.py was called: files on the command line are meant from there."""
ROOT = Path(__file__).resolve().parent.parent.parent


def private_folder(folder: Path) -> Path:
    """Make ``folder`` (and its parents), readable by its owner only. Parents that exist keep their permissions.

    Raises:
        EngineError: it cannot be made, or belongs to somebody else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if stat.S_IMODE(folder.stat().st_mode) != 0o700:  # noqa: PLR2004 - rwx------
            folder.chmod(0o700)
    except OSError as error:
        raise EngineError(f"{folder} cannot be used: {error.strerror}. Does it belong to another user?") from error
    return folder


@dataclass(frozen=True, slots=True)
class Places:
    """The state folder's parts; each test has its own, the project has ``var/``."""

    var: Path

    @property
    def run(self) -> Path:
        """Sockets and locks; worthless after a stop."""
        return self.var / "run"

    @property
    def logs(self) -> Path:
        """One file per process."""
        return self.var / "logs"

    @property
    def metrics(self) -> Path:
        """What the processes count for Prometheus, since the start."""
        return self.run / "metrics"

    @property
    def weights(self) -> Path:
        """What bundled models map together: `ml_service.runtime.bundled.shared_arrays`. May be deleted."""
        return self.var / "weights"

    @property
    def engine_file(self) -> Path:
        """What was started last, and how it ended."""
        return self.var / "engine.json"

    @property
    def lock_file(self) -> Path:
        """Held by the supervisor for as long as it lives; its text is the supervisor's process id."""
        return self.run / "supervisor.lock"

    def make(self) -> None:
        """Create the folders.

        Raises:
            EngineError: the project's folder cannot be written.
        """
        private_folder(self.var)
        private_folder(self.run)
        private_folder(self.logs)


PROJECT = Places(ROOT / "var")


def write_json(file: Path, value: Mapping[str, Any]) -> None:
    """Replace ``file`` in one step, readable by its owner only: a crash leaves the old or the new, never a half."""
    fresh = file.with_name(f"{file.name}.{os.getpid()}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "w") as output:
        json.dump(value, output, indent=2)
        output.flush()
        os.fsync(output.fileno())
    fresh.replace(file)


def read_json(file: Path) -> dict[str, Any]:
    """What `write_json` wrote; empty when there is nothing or it is damaged."""
    try:
        value = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_number(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _are_children(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, list) and len(one) == 2 and _is_number(one[0], 1, 2**31) and isinstance(one[1], float | int)  # noqa: PLR2004
        for one in value
    )


_FITS: dict[str, Callable[[Any], bool]] = {
    "engine": lambda value: value in ("native", "docker"),
    "queue": lambda value: value in ("rabbitmq", "postgres"),
    "port": lambda value: _is_number(value, 1, PORT_MAX),
    "workers": lambda value: _is_number(value, 0, WORKERS_MAX),
    "pid": lambda value: _is_number(value, 1, 2**31),
    "pools": lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    "children": _are_children,
    **dict.fromkeys(("state", "error", "code", "started_at"), lambda value: isinstance(value, str)),
}


def read_engine(places: Places) -> dict[str, Any]:
    """What was started last, without what cannot be: the file may have been damaged, or edited.

    The mode and the host stay as they stand, to be refused: production must not become the demo in silence, and what
    was closed to other machines must not be opened.
    """
    known = read_json(places.engine_file)
    return {name: value for name, value in known.items() if name not in _FITS or _FITS[name](value)}


def load_secrets(places: Places) -> dict[str, str]:
    """The generated secrets, made once and kept: a new JWT secret would log everybody out.

    Raises:
        EngineError: the file is there and cannot be read.
    """
    try:
        return keep_secrets(places.var / "secrets.json", {"jwt_secret": 48, "rabbitmq_password": 24})[0]
    except DamagedSecrets as error:
        raise EngineError(str(error)) from None


def already_running(pid: int | None) -> EngineError:
    """What refuses a second start."""
    return EngineError(f"It is already running (process {pid}).")


def lock_holder(places: Places) -> int | None:
    """The process id of the supervisor that runs on this state folder, None when there is none (0: unknown)."""
    try:
        fd = os.open(places.lock_file, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EngineError(f"{places.lock_file}: {error.strerror}. Was it started by another user?") from error
    try:
        # Shared, so that two who look at once do not take each other for a supervisor.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(fd, 32).decode(errors="replace").strip()
        return int(text) if text.isdigit() else 0
    else:
        return None
    finally:
        os.close(fd)


@contextlib.contextmanager
def supervisor_lock(places: Places) -> Iterator[None]:
    """Hold the state folder. The lock goes with the process, however that ends; no child inherits it.

    Raises:
        EngineError: another supervisor holds it.
    """
    places.make()
    fd = os.open(places.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(fd, places)
        os.ftruncate(fd, 0)
        os.write(fd, str(os.getpid()).encode())
        yield
    finally:
        os.close(fd)


def _take(fd: int, places: Places) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise already_running(lock_holder(places)) from None
