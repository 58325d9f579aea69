"""One child process as its host sees it: started, listened to, ended, and what its end looked like."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, ClassVar, cast

import structlog

from ml_service.runtime import frames
from ml_service.runtime.host.environment import environment_for_models
from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_limits import ModelLimits
from ml_service.runtime.host.orphans import end_orphans

LOG_LINES_PER_SECOND_MAX = 200
LOG_LINE_BYTES_MAX = 4000
_LAST_WORDS_S = 0.2

_log = structlog.get_logger(__name__)


class ProcessEnded(Exception):
    """The child is gone; `ChildProcess.gone` says how."""


class ChildFrameReader(asyncio.Protocol):
    """Receives frames; one reader waits for the next, or for the end."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self._buffer = bytearray()
        self._frames: deque[tuple[int, bytes]] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Cut what arrived into frames."""
        self._buffer += data
        at = 0
        while len(self._buffer) - at >= frames.HEADER_BYTES:
            try:
                kind, length = frames.read_header(self._buffer, at)
            except ValueError:
                # Somebody else wrote to our descriptor: nothing that follows can be trusted.
                self.transport.abort()
                return
            end = at + frames.HEADER_BYTES + length
            if len(self._buffer) < end:
                break
            self._frames.append((kind, bytes(self._buffer[at + frames.HEADER_BYTES : end])))
            at = end
        if at:
            del self._buffer[:at]
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the end is the end
        """Note the end; frames that came before it are still handed out."""
        self.ended.set()
        self._wake()

    async def receive(self) -> tuple[int, bytes]:
        """Return the next frame.

        Raises:
            ProcessEnded: There is no other.
        """
        while not self._frames:
            if self.ended.is_set():
                raise ProcessEnded
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._frames.popleft()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class _Output(asyncio.Protocol):
    """Turns what the model prints into log lines, and drops what is too much of it."""

    def __init__(self, log: Any) -> None:
        self.ended = asyncio.Event()
        self._log = log
        self._rest = b""
        self._second, self._lines, self._dropped = 0, 0, 0

    def data_received(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._say(line)
        if len(rest) > LOG_LINE_BYTES_MAX:
            self._say(rest)
            rest = b""
        self._rest = rest

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the end is the end
        if self._rest:
            self._say(self._rest)
        self._say_dropped()
        self.ended.set()

    def _say_dropped(self) -> None:
        if self._dropped:
            self._log.warning("model_printed_too_much", lines_dropped=self._dropped)
            self._dropped = 0

    def _say(self, line: bytes) -> None:
        second = int(time.monotonic())
        if second != self._second:
            self._say_dropped()
            self._second, self._lines = second, 0
        self._lines += 1
        if self._lines > LOG_LINES_PER_SECOND_MAX:
            self._dropped += 1
        elif text := line[:LOG_LINE_BYTES_MAX].decode(errors="backslashreplace").rstrip():
            self._log.info("model_output", line=text)


class ChildProcess:
    """A running child.

    Attributes:
        pid: Its process id, which is also its group's.
        frames: What it says.
        gone: Done when it has ended and was reaped; says how: "was killed by SIGSEGV".
        was_told_to_end: Its end is no surprise.
    """

    living: ClassVar[set[int]] = set()
    """All of this process's models, until they are reaped."""

    def __init__(
        self, popen: subprocess.Popen[bytes], wire: ChildFrameReader, output: _Output, pipe: asyncio.BaseTransport
    ) -> None:
        self._popen = popen
        self._output = output
        self._pipe = pipe
        self.pid = popen.pid
        self.frames = wire
        self.was_told_to_end = False
        self.gone = asyncio.create_task(self._reap(), name=f"reap {self.pid}")

    @classmethod
    async def start(cls, source: ModelSource, limits: ModelLimits) -> ChildProcess:
        """Start a fresh interpreter; it begins to load the model at once."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        read_end, write_end = os.pipe()
        printed = os.fdopen(read_end, "rb", buffering=0)
        options = {
            "name": source.name,
            "path": str(source.path),
            "memory_bytes_max": limits.memory_bytes_max,
            "output_bytes_max": limits.output_bytes_max,
            "parent_pid": os.getpid(),
        }
        descriptor = theirs.fileno()
        try:
            popen = subprocess.Popen(  # noqa: ASYNC220 - a fork without copying, some 2 ms
                [limits.python_of(source.name), "-m", "ml_service.runtime.child", str(descriptor), json.dumps(options)],
                stdin=subprocess.DEVNULL,
                stdout=write_end,
                stderr=write_end,
                pass_fds=(descriptor,),
                env=environment_for_models(os.environ, limits.environment_names),
                # Its own group: a terminal's Ctrl-C does not reach it, and what it started is killed with it.
                start_new_session=True,
            )
            cls.living.add(popen.pid)
        except BaseException:
            ours.close()
            printed.close()
            raise
        finally:
            theirs.close()
            os.close(write_end)
        wire: ChildFrameReader | None = None
        try:
            ours.setblocking(False)  # noqa: FBT003 - the signature is Python's
            _, wire = await loop.create_connection(ChildFrameReader, sock=ours)
            log = _log.bind(model=source.name, pid=popen.pid)
            pipe, output = await loop.connect_read_pipe(lambda: _Output(log), printed)
        except BaseException:
            popen.kill()
            popen.wait()
            cls.living.discard(popen.pid)
            if wire is None:
                ours.close()
            else:
                wire.transport.abort()  # it owns the socket, and closes it
            printed.close()
            raise
        return cls(popen, wire, output, pipe)

    def send(self, data: bytes) -> None:
        """Send a frame; a child that is gone is noticed when its answer is awaited."""
        self.frames.transport.write(data)

    def kill(self) -> None:
        """End it now, and whatever it started."""
        self.was_told_to_end = True
        self._kill_group()
        self.frames.transport.abort()

    async def abort(self) -> None:
        """End one that hangs: it writes where it was to the log first, if it still can."""
        self.was_told_to_end = True
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGABRT)
            await _within(self.frames.ended, _LAST_WORDS_S)
            self.kill()

    async def close(self, grace_s: float) -> None:
        """Hang up; kill it if it has not ended by itself in time."""
        self.was_told_to_end = True
        if not self.frames.transport.is_closing():
            self.frames.transport.write_eof()
        await _within(self.frames.ended, grace_s)
        self.kill()
        await self.gone

    async def _reap(self) -> str:
        """Wait until it has ended or hung up, and collect its status.

        Its end is seen by its process id: a copy of it, forked by the model, may hold the socket open.
        """
        ended = asyncio.Event()
        with exit_noticed(self._popen, ended):
            await _first(ended, self.frames.ended)
            # A process that is ending keeps its status whatever is sent to it now; what it started would live on.
            self._kill_group()
            await ended.wait()
        status = self._popen.wait()
        self.living.discard(self.pid)
        await _within(self.frames.ended, _LAST_WORDS_S)
        self.frames.transport.abort()
        await end_orphans(self.living)
        await _within(self._output.ended, _LAST_WORDS_S)
        self._pipe.close()
        return _end(status)

    def _kill_group(self) -> None:
        # Only until it is reaped: afterwards another process may have the pid.
        if self._popen.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)


@contextlib.contextmanager
def exit_noticed(popen: subprocess.Popen[bytes], ended: asyncio.Event) -> Iterator[None]:
    """Set ``ended`` when the process has ended, before it is reaped, so that its number is still its own.

    Where the system can only reap it (macOS before Python 3.13), what is left of its group is killed at once.
    """
    loop = asyncio.get_running_loop()
    try:
        descriptor = os.pidfd_open(popen.pid)
    except (AttributeError, OSError):  # macOS, or a container that forbids it
        threading.Thread(target=_wait_in_thread, args=(popen, loop, ended), daemon=True).start()
        yield
        return
    loop.add_reader(descriptor, ended.set)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _wait_in_thread(popen: subprocess.Popen[bytes], loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    if hasattr(os, "waitid"):
        with contextlib.suppress(ChildProcessError):  # it was reaped meanwhile
            os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
    else:
        popen.wait()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(popen.pid, signal.SIGKILL)
    with contextlib.suppress(RuntimeError):  # the loop is closed and nothing waits for this
        loop.call_soon_threadsafe(ended.set)


async def _first(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waiting:
            each.cancel()


async def _within(event: asyncio.Event, timeout_s: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()


def _end(status: int) -> str:
    if status >= 0:
        return f"exited with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"was killed by signal {-status}"
