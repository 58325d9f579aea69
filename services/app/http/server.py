"""Serves the app with uvicorn: on the supervisor's socket or our own, over our own protocol, and with an orderly end.

Why its own protocol: docs/decisions/0010-http-server.md
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import Callable, Generator
from functools import partial
from typing import Any, cast

import structlog
import uvicorn
from fastapi import FastAPI

from ml_service.platform.sd_notify import notify
from ml_service.platform.settings.app import AppSettings
from services.app.http.acceptor import Acceptor
from services.app.http.connection import Connection
from services.app.http.connection_limits import HttpLimits, connections_that_fit, raise_file_limit
from services.app.http.connection_slots import ConnectionSlots

log = structlog.get_logger()

SOCKET_FD = 3
"""Where systemd, and our own supervisor, put the listening socket (sd_listen_fds(3))."""
BACKLOG = 2048
FINISH_S = 12
"""Seconds that running requests get to finish; with draining all ends within 25 s."""
SEND_BUFFER_BYTES = 131_072
"""What the system keeps for a client that reads slowly; left to itself it keeps up to 4 MB for each."""


class AppServer(uvicorn.Server):
    """uvicorn, which shares its socket, tells the supervisor and, once asked to stop, ends by itself with 0."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup([])
        if self.started:
            self.servers = [Acceptor(one, self._make_connection) for one in sockets or ()]  # type: ignore[misc]
            notify("READY=1")

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; what was accepted just now is among the connections that uvicorn asks to end."""
        for one in self.servers:
            one.close()
            await one.wait_closed()
        await super().shutdown(sockets)

    def _make_connection(self) -> asyncio.Protocol:
        """As uvicorn makes one."""
        make = cast("Callable[..., asyncio.Protocol]", self.config.http_protocol_class)
        return make(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Stop on SIGTERM and SIGINT; uvicorn's own way would raise them again at the end."""
        loop = asyncio.get_running_loop()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, self._stop)
        yield

    def _stop(self) -> None:
        if self.should_exit:
            return
        log.info("stopping")
        notify("STOPPING=1")
        # Waiters get what is known and streams end, so that the connections can close.
        components = getattr(self.config.app.state, "components", None)  # type: ignore[union-attr]
        if components is not None:
            components.live_answers.release()
            components.live_changes.release()
        self.should_exit = True


def listen(settings: AppSettings) -> socket.socket:
    """The supervisor's socket where it passed one, else a new one on HOST:PORT.

    A socket that is passed stays open while processes come and go, so that no connection is refused meanwhile.
    """
    if os.environ.get("LISTEN_FDS") == "1":
        return socket.socket(fileno=SOCKET_FD)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise SystemExit(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror or error}") from None


def serve(app: FastAPI, listening: socket.socket, limits: HttpLimits | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    limits = limits or HttpLimits()
    slots = ConnectionSlots(connections_that_fit(limits.connections_max, raise_file_limit()))
    listening.listen(BACKLOG)  # whatever who made it has asked for
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)  # its connections inherit it
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=cast("type[Any]", partial(Connection, limits, slots)),  # uvicorn only calls it
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # ours has the request's id and no query
        proxy_headers=False,  # whom to believe is decided in addresses.py
        server_header=False,
        timeout_graceful_shutdown=FINISH_S,
    )
    AppServer(config).run(sockets=[listening])
