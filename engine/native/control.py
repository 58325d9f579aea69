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

Handler = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


@contextlib.asynccontextmanager
async def serve(places: Places, handle: Handler) -> AsyncIterator[None]:
    """Answer requests with ``handle`` while the block runs; an EngineError becomes ``{"refused": …}``."""

    async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                try:
                    answer = await handle(json.loads(line))
                except (EngineError, ValueError, KeyError, TypeError) as error:
                    answer = {"refused": str(error) or type(error).__name__}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            pass
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


def ask(places: Places, request: dict[str, Any], timeout_s: float = 10) -> dict[str, Any] | None:
    """Send one request; None when no supervisor answers.

    Raises:
        EngineError: it answered that it cannot.
    """
    if not (places.run / SOCKET).exists():
        return None
    short = ShortPath(places.run, SOCKET)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(timeout_s)
            connection.connect(f"{short.path}/{SOCKET}")
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as lines:
                line = lines.readline()
    except OSError:
        return None
    finally:
        short.close()
    if not line:
        return None
    answer: dict[str, Any] = json.loads(line)
    if "refused" in answer:
        raise EngineError(str(answer["refused"]))
    return answer
