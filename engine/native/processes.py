"""Children that cannot outlive us, and a careful look at other processes.

All signals go to process ids of our own children, or to processes whose working folder is a folder of ours:
never to a name.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from engine.common.errors import EngineError

LINUX = sys.platform == "linux"
SOCKET_PATH_MAX_BYTES = 107 if LINUX else 103
"""What fits into sockaddr_un, less the final NUL (unix(7))."""

_FREEZE_S = 5.0
_PR_SET_PDEATHSIG = 1
_spawned: weakref.WeakSet[subprocess.Popen[bytes]] = weakref.WeakSet()
_LIBC = ctypes.CDLL(None, use_errno=True) if LINUX else None


def die_with_parent(parent: int, how: signal.Signals) -> None:
    """In the child, before exec: get the signal ``how`` when the thread that started us ends (prctl(2)).

    A change of user clears the wish, so it comes after any such change.
    """
    if _LIBC is None:
        return
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(how), 0, 0, 0)
    if os.getppid() != parent:  # it died before we could ask
        os._exit(0)


def spawn(
    command: Sequence[str],
    *,
    cwd: Path,
    env: Mapping[str, str],
    log: Path,
    death_signal: signal.Signals = signal.SIGKILL,
    before_exec: Callable[[], None] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, its output appended to the file ``log``.

    The child ends with ``death_signal`` when the calling *thread* ends, so call it from one that lives as long
    as the child is wanted. Output goes straight to the file (O_APPEND), not through a pipe of ours: a supervisor that
    is busy or dead can neither block a child nor lose its last words.

    Raises:
        OSError: the program cannot be started.
    """
    parent = os.getpid()

    def prepare() -> None:
        if before_exec is not None:
            before_exec()
        die_with_parent(parent, death_signal)

    log.parent.mkdir(parents=True, exist_ok=True)
    # A session of its own: Ctrl-C at the terminal reaches the supervisor only, which then stops things in order.
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=prepare,  # noqa: PLW1509 - it calls prctl and unshare only, nothing that takes a lock
            pass_fds=pass_fds,
        )
    _spawned.add(process)
    return process


def spawned() -> set[int]:
    """The ids of the children from `spawn` that are not reaped yet."""
    return {process.pid for process in list(_spawned) if process.returncode is None}


def is_running(pid: int) -> bool:
    """Whether ``pid`` is a process that runs (a zombie does not)."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def name_of(pid: int) -> str:
    """The program's name, empty when it cannot be known."""
    try:
        return str(psutil.Process(pid).name())
    except psutil.Error:
        return ""


def running_in(folder: Path) -> list[int]:
    """Ids of the processes whose working folder is ``folder`` (all of PostgreSQL's work in its data folder)."""
    try:
        wanted = folder.stat()
    except OSError:
        return []
    found: list[int] = []
    if not LINUX:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.cwd() and Path(process.cwd()).samefile(folder) and is_running(process.pid):
                    found.append(process.pid)
        return found
    for entry in os.listdir("/proc"):  # noqa: PTH208 - names are all that is needed, and there are many
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            there = os.stat(f"/proc/{entry}/cwd")  # noqa: PTH116 - the link's target may have no name here
            if (there.st_dev, there.st_ino) == (wanted.st_dev, wanted.st_ino) and is_running(int(entry)):
                found.append(int(entry))
    return found


def tree(pid: int) -> list[int]:
    """``pid`` and all that descends from it, parents first; empty when it is gone."""
    try:
        process = psutil.Process(pid)
        return [pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def signal_all(pids: Iterable[int], how: signal.Signals) -> None:
    """Send ``how`` to each; those that are gone meanwhile are passed over."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)


def freeze_all(pids: Iterable[int]) -> None:
    """Send SIGSTOP to each, and wait until it stands still: on a busy machine its threads go on for a while."""
    there = list(pids)
    signal_all(there, signal.SIGSTOP)
    wait_until(lambda: all(_stands_still(pid) for pid in there), _FREEZE_S)


def _stands_still(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def wait_until(condition: Callable[[], bool], timeout_s: float, step_s: float = 0.02) -> bool:
    """Wait for ``condition``; returns whether it came true in time."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(step_s)
    return True


def log_tail(log: Path, lines_max: int = 15) -> str:
    """The last lines of a log for an error message; empty when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 8192))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines_max:])
    except OSError:
        return ""


class FolderAlias:
    """Another name for a folder, valid for every process of this user while this one lives.

    On Linux ``/proc/<pid>/fd/<n>`` is the folder itself, whatever its own path, so nothing need be written outside the
    project.
    """

    def __init__(self, folder: Path, *, unless: bool, reason: str) -> None:
        """``unless``: the folder's own path will do. ``reason``: what is wrong with it otherwise, for the error.

        Raises:
            EngineError: its own path will not do, and this system has no /proc.
        """
        self._fd = -1
        self.path = str(folder)
        if unless:
            return
        if not LINUX:
            raise EngineError(f"The path {folder} {reason}: move the project to another one.")
        self._fd = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.path = f"/proc/{os.getpid()}/fd/{self._fd}"

    def close(self) -> None:
        """Forget the name."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class ShortPath(FolderAlias):
    """A name for a folder that is short enough for its sockets, whose addresses hold 107 bytes at most, and is UTF-8.

    A database's URL has it, and is UTF-8.
    """

    def __init__(self, folder: Path, longest_name: str) -> None:
        """``longest_name``: of the sockets that will be made in ``folder``."""
        name = os.fsencode(folder / longest_name)
        is_text = name.decode(errors="ignore").encode() == name
        reason = "is too long for a socket" if is_text else "is not UTF-8"
        super().__init__(folder, unless=is_text and len(name) <= SOCKET_PATH_MAX_BYTES, reason=reason)
