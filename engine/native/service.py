"""One supervised process: started, watched until ready, restarted when it ends, stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from engine.native.processes import log_tail, signal_all, spawn, tree
from engine.native.readiness import NotifySocket
from ml_service.platform.numbers import is_whole

ServiceState = Literal["stopped", "starting", "ready", "waiting", "stopping"]

LISTEN_FD = 3
"""Where socket activation puts the first passed socket (sd_listen_fds(3))."""

_POLL_S = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long each thing may take, unless a program asks for more; tests use shorter ones."""

    ready_timeout_s: float = 120
    stop_timeout_s: float = 35  # a service drains for up to 30 s
    healthy_after_s: float = 10  # after being ready this long, a crash counts as the first
    backoff_first_s: float = 0.5
    backoff_max_s: float = 15


class Part(Protocol):
    """What a SupervisedService runs: one of our programs, or a node."""

    name: str
    log: Path
    stop_signal: signal.Signals

    @property
    def patient_until(self) -> float:
        """By the monotonic clock: no start and no stop is given up before. 0 where nothing was asked for."""

    def prepare(self) -> None:
        """Get ready for a start; may block (it runs in a thread)."""

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process; quick, on the loop's thread, which the process does not outlive."""

    def is_ready(self) -> bool:
        """Whether the process that was spawned last does its work."""

    def hear(self) -> str | None:
        """Read what the process says; its STATUS text, if it gave one."""

    def clean_up(self) -> None:
        """After the process ended."""

    def close(self) -> None:
        """After the last process ended."""


class Program:
    """A program of ours, ready when it says so on its NOTIFY_SOCKET."""

    stop_signal = signal.SIGTERM

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str],
        log: Path,
        run: Path,
        listen_fd: int | None = None,
        on_end: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep what a start needs.

        Args:
            listen_fd: A bound socket of ours that the program gets as file descriptor 3.
            on_end: Called after each of its processes has ended.
        """
        self.name = name
        self.log = log
        self._command = command
        self._cwd = cwd
        self._env = dict(env)
        self._listen_fd = listen_fd
        self._on_end = on_end
        self._notify = NotifySocket(run, name)
        self.patient_until = 0.0
        self._pid: int | None = None
        self._ready = False
        self._status: str | None = None

    def prepare(self) -> None:
        """Nothing to do."""

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the program; it is killed when we die: a supervisor that is gone leaves nothing behind."""
        asyncio.get_running_loop().add_reader(self._notify.socket, self._hear)  # or the program waits for us to listen
        self._ready, self._status, self._pid, self.patient_until = False, None, None, 0.0
        self._hear()  # what the last one said is not this one's
        env = {**self._env, "NOTIFY_SOCKET": self._notify.address}
        if self._listen_fd is None:
            process = spawn(self._command, cwd=self._cwd, env=env, log=self.log)
        else:
            env["LISTEN_FDS"] = "1"
            process = self._spawn_with_socket(env, self._listen_fd)
        self._pid = process.pid
        return process

    def _spawn_with_socket(self, env: dict[str, str], listen_fd: int) -> subprocess.Popen[bytes]:
        # subprocess reports a failed exec through a pipe, which must not be the descriptor that we overwrite in the
        # child: while something of ours holds number 3, it is not.
        placeholder = _hold_descriptor(LISTEN_FD)
        try:
            return spawn(
                self._command,
                cwd=self._cwd,
                env=env,
                log=self.log,
                before_exec=lambda: _move_descriptor(listen_fd),
                pass_fds=(LISTEN_FD,),
            )
        finally:
            if placeholder:
                os.close(LISTEN_FD)

    def _hear(self) -> None:
        self._notify.read(self._pid, self._on_word)

    def _on_word(self, name: str, value: str) -> None:
        if name == "READY" and value == "1":
            self._ready = True
        elif name == "STATUS":
            self._status = value
        elif name == "EXTEND_TIMEOUT_USEC" and is_whole(value):
            self.patient_until = time.monotonic() + int(value) / 1_000_000

    def is_ready(self) -> bool:
        """Whether it said READY=1."""
        self._hear()
        return self._ready

    def hear(self) -> str | None:
        """Its last STATUS."""
        self._hear()
        return self._status

    def clean_up(self) -> None:
        """Let go of what belonged to the process that ended."""
        self._on_end()

    def close(self) -> None:
        """Remove its socket."""
        asyncio.get_running_loop().remove_reader(self._notify.socket)
        self._notify.close()


def _hold_descriptor(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        if fd != number:
            os.dup2(fd, number, inheritable=False)
            os.close(fd)
        return True
    return False


def _move_descriptor(listen_fd: int) -> None:
    if listen_fd == LISTEN_FD:
        os.set_inheritable(LISTEN_FD, True)  # noqa: FBT003 - a boolean is what it takes
    else:
        os.dup2(listen_fd, LISTEN_FD, inheritable=True)


@dataclass
class SupervisedService:
    """Keeps one Part running until told to stop. Use from one event loop only."""

    part: Part
    patience: Patience = field(default_factory=Patience)
    on_event: Callable[[str], None] = lambda _: None
    on_wait: Callable[[str], None] = lambda _: None
    """Told once why a start or a stop takes longer than usual."""
    state: ServiceState = "stopped"
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0
    last_exit: str = ""
    error: str = ""
    became_ready: asyncio.Event = field(default_factory=asyncio.Event)
    _failures: int = 0
    _started: float = 0.0
    _wanted: bool = False
    _task: asyncio.Task[None] | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """The process's name, as status and logs show it."""
        return self.part.name

    def start(self) -> None:
        """Begin to keep it running. A service that was stopped has given its sockets back and never starts again."""
        if self._stop.is_set():
            return
        self._wanted = True
        self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self, timeout_s: float | None = None) -> None:
        """Ask it to end, wait ``timeout_s`` (its patience's when None), then kill it; harmless when it is down.

        It is waited for longer where it asks for that.
        """
        self._wanted = False
        self._stop.set()
        if self._task is None:
            self.part.close()
            self.state = "stopped"
            return
        self._terminate()
        await asyncio.wait([self._task], timeout=timeout_s or self.patience.stop_timeout_s)
        is_told = False
        while not self._task.done() and (left_s := self.part.patient_until - time.monotonic()) > 0:
            if not is_told:
                is_told = True
                self.on_wait(f"waiting for {self.name}: it still works. Killed, it would have to recover at its start")
            await asyncio.wait([self._task], timeout=left_s)
        if not self._task.done():
            self.on_event(f"{self.name} did not end in time and is killed")
            self.kill()
            await asyncio.wait([self._task])
        self.part.close()
        self.state = "stopped"

    async def settled(self, timeout_s: float) -> None:
        """Wait until it is ready, or given up, or the time is over."""
        if self._task is not None:
            ready = asyncio.create_task(self.became_ready.wait())
            await asyncio.wait([ready, self._task], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()

    def _terminate(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.state = "stopping"
            # A frozen process handles other signals only after SIGCONT.
            signal_all(tree(self.process.pid), signal.SIGCONT)
            self.process.send_signal(self.part.stop_signal)

    def kill(self) -> None:
        """Kill the process and all that descends from it; it is started again unless a stop was asked for."""
        if self.process is not None and self.process.poll() is None:
            signal_all(tree(self.process.pid), signal.SIGKILL)

    def describe(self) -> dict[str, Any]:
        """For status: name, state, pid, uptime_s, restarts, status, last_exit."""
        alive = self.process is not None and self.process.poll() is None
        return {
            "name": self.name,
            "state": self.state,
            "pid": self.process.pid if alive and self.process else None,
            "uptime_s": round(time.monotonic() - self._started, 1) if alive else None,
            "restarts": self.restarts,
            "status": self.part.hear() if alive else None,
            "last_exit": self.last_exit,
        }

    async def _run(self) -> None:
        while self._wanted:
            self.state = "starting"
            self.became_ready.clear()
            self._started = time.monotonic()
            try:
                await self._run_once()
            except Exception as error:  # noqa: BLE001 - whatever keeps one process from starting must not end the others
                self.last_exit = self.error = str(error)
                self.on_event(f"{self.name} cannot start: {error}")
            self.became_ready.clear()
            if self._wanted:
                await self._pause()

    async def _run_once(self) -> None:
        await asyncio.to_thread(self.part.prepare)
        if not self._wanted:
            return
        self.process = process = self.part.spawn()
        ready_since: float | None = None
        watch = asyncio.create_task(exited(process))
        try:
            ready_since = await self._until_ready(watch)
            await asyncio.shield(watch)
        finally:
            watch.cancel()
        code = process.wait()
        if self._wanted:
            self.state = "waiting"
        # What it left behind (a model's child, say) is in its session and has to end before the next start.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        self.part.clean_up()
        self.last_exit = _how_it_ended(code)
        if ready_since is not None and time.monotonic() - ready_since >= self.patience.healthy_after_s:
            self._failures = 0
        if self._wanted:
            if ready_since is None:
                self.error = f"{self.name} {self.last_exit}. The end of {self.part.log}:\n{log_tail(self.part.log)}"
            self.on_event(f"{self.name} {self.last_exit}; starting it again")

    async def _until_ready(self, watch: asyncio.Task[None]) -> float | None:
        began = time.monotonic()
        is_told = False
        while not self.part.is_ready():
            await asyncio.wait([watch], timeout=_POLL_S)
            if watch.done():
                return None
            now = time.monotonic()
            if now <= began + self.patience.ready_timeout_s:
                continue
            if now > self.part.patient_until and not self.part.is_ready():  # it may have become so just now
                self.on_event(f"{self.name} was not ready in {now - began:.0f} s and is killed")
                self.kill()
                return None
            if not is_told:
                is_told = True
                self.on_wait(f"waiting for {self.name}: it still works (after a crash it has to recover its data)")
        if self._wanted:
            self.state = "ready"
            self.error = ""
            self.became_ready.set()
            self.on_event(f"{self.name} is ready")
        return time.monotonic()

    async def _pause(self) -> None:
        # The first crash after a healthy time is answered at once, the next ones ever later.
        self.restarts += 1
        self._failures += 1
        if self._failures == 1:
            return
        self.state = "waiting"
        delay_s = min(self.patience.backoff_first_s * 2 ** (self._failures - 2), self.patience.backoff_max_s)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._stop.wait()


def _how_it_ended(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


async def exited(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a child without blocking and without a thread."""
    try:
        fd = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else -1
    except OSError:  # an old kernel, or a sandbox
        fd = -1
    if fd < 0:
        while process.poll() is None:  # noqa: ASYNC110 - there is nothing to wait on
            await asyncio.sleep(0.1)
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(fd, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(fd)
        os.close(fd)
