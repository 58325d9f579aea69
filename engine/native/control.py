"""The supervisor's control socket: a unix socket in ``var/run`` that takes a JSON request per line and answers in kind.

Access is limited by the folder's mode 0700.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from engine.common.errors import EngineError
from engine.common.state import Places
from engine.native.processes import ShortPath

SOCKET = "control.sock"

Handler = Callable[[dict[str, Any], contextlib.AsyncExitStack], Awaitable[dict[str, Any]]]
"""Takes a request, and what is to be done when its connection has ended, however that came about."""


@contextlib.asynccontextmanager
async def serve(places: Places, handle: Handler) -> AsyncIterator[None]:
    """Answer requests with ``handle`` while the block runs; an EngineError becomes ``{"refused": …}``."""

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with contextlib.AsyncExitStack() as at_end:
                with contextlib.suppress(ConnectionError):
                    while line := await reader.readline():
                        try:
                            answer = await handle(json.loads(line), at_end)
                        except (EngineError, ValueError, KeyError, TypeError) as error:
                            answer = {"refused": str(error) or type(error).__name__}
                        writer.write(json.dumps(answer).encode() + b"\n")
                        await writer.drain()
        except (EngineError, asyncio.CancelledError):
            pass  # who could be told has gone
        finally:
            writer.close()

    file = places.run / SOCKET
    file.unlink(missing_ok=True)  # we hold the lock, so it is nobody's
    short = ShortPath(places.run, SOCKET)
    server = await asyncio.start_unix_server(on_connection, f"{short.path}/{SOCKET}")
    try:
        yield
    finally:
        server.close()
        file.unlink(missing_ok=True)
        short.close()


class SupervisorConnection:
    """A connection to the supervisor; what a request holds, such as a pause, it holds until the connection ends."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("rb")

    def fileno(self) -> int:
        """Its descriptor: the connection ends when no process has it open any more."""
        return self._connection.fileno()

    def ask(self, request: dict[str, Any], timeout_s: float | None) -> dict[str, Any] | None:
        """Send one request; None when no answer comes in time.

        Raises:
            EngineError: it answered that it cannot.
        """
        self._connection.settimeout(timeout_s)
        try:
            self._connection.sendall(json.dumps(request).encode() + b"\n")
            line = self._lines.readline()
        except OSError:
            return None
        if not line:
            return None
        answer: dict[str, Any] = json.loads(line)
        if "refused" in answer:
            raise EngineError(str(answer["refused"]))
        return answer

    def close(self) -> None:
        """Close it here."""
        self._lines.close()
        self._connection.close()


def connect(places: Places, timeout_s: float = 10) -> SupervisorConnection | None:
    """Connect to the supervisor; None when there is none."""
    if not (places.run / SOCKET).exists():
        return None
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout_s)
    short = ShortPath(places.run, SOCKET)
    try:
        connection.connect(f"{short.path}/{SOCKET}")
    except OSError:
        connection.close()
        return None
    finally:
        short.close()
    return SupervisorConnection(connection)


def ask(places: Places, request: dict[str, Any], timeout_s: float | None = 10) -> dict[str, Any] | None:
    """Send one request, on a connection of its own; None when no supervisor answers (in time, where there is one).

    Raises:
        EngineError: it answered that it cannot.
    """
    connection = connect(places) if timeout_s is None else connect(places, timeout_s)
    if connection is None:
        return None
    with contextlib.closing(connection):
        return connection.ask(request, timeout_s)
