"""Takes connections from a socket that other processes take from too, a few at a time, so that each has its share."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import structlog

log = structlog.get_logger()

AT_ONCE = 8
PAUSE_S = 0.001
"""After so many, or as many as there are, the other processes have the turn."""
REFUSED_PAUSE_S = 1.0
"""After an error of the system, such as too many open files: the connections wait meanwhile."""


class Acceptor:
    """Accepts from ``listening``, and gives each connection a protocol of its own.

    A loop that takes all there is, as libuv's does, gets nearly all connections of a client that opens them at once:
    the process that woke up first had 28 of 32, and the other core had little to do.
    """

    def __init__(self, listening: socket.socket, make_protocol: Callable[[], asyncio.Protocol]) -> None:
        self._listening = listening
        self._make_protocol = make_protocol
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._attaching: set[asyncio.Task[object]] = set()
        listening.settimeout(0)
        self._resume()

    def close(self) -> None:
        """Accept no more; what was accepted goes on."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._listening)

    async def wait_closed(self) -> None:
        """Wait until everything that was accepted has its protocol."""
        while self._attaching:
            await asyncio.wait(self._attaching)

    def _resume(self) -> None:
        self._timer = None
        self._loop.add_reader(self._listening, self._accept)

    def _accept(self) -> None:
        pause_s = PAUSE_S
        for _ in range(AT_ONCE):
            try:
                connection, _address = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                break  # another process was quicker, or the client has gone
            except OSError as error:
                log.warning("accept_failed", error=str(error))
                pause_s = REFUSED_PAUSE_S
                break
            connection.settimeout(0)
            task = self._loop.create_task(self._attach(connection))
            self._attaching.add(task)
            task.add_done_callback(self._attaching.discard)
        self._loop.remove_reader(self._listening)
        self._timer = self._loop.call_later(pause_s, self._resume)

    async def _attach(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make_protocol, connection)
        except OSError as error:
            log.debug("connection_lost_at_once", error=str(error))
            connection.close()
