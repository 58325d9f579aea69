"""The one address that others can reach: chosen, bound once, and explained when it is taken."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Sequence

from engine.common.errors import EngineError
from engine.common.limits import PORT_MAX

PORTS_DEFAULT = (80, 8000)
BACKLOG = 512
"""Connections that wait while the app's processes are replaced."""


def who_listens(port: int) -> str:
    """Who listens there, as the end of a sentence (" by nginx (process 12)"); empty when this user may not know."""
    try:
        import psutil  # noqa: PLC0415 - the docker engine works without it
    except ImportError:
        return ""
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""


def _bind(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    except (TypeError, ValueError) as error:  # no name that could be looked up
        listener.close()
        raise OSError(errno.EINVAL, str(error)) from None
    return listener


def _another(port: int) -> int:
    """A port to suggest in the place of one that is taken: no privilege is needed for it."""
    return port + 80 if 1024 <= port + 80 <= PORT_MAX else 8080  # noqa: PLR2004


def listen(host: str, port: int | None) -> socket.socket:
    """Bind ``port``, or the first of 80 and 8000 that can be had when None.

    Raises:
        EngineError: the port asked for, or both, cannot be had; the message says why and what to do.
    """
    wanted: Sequence[int] = PORTS_DEFAULT if port is None else (port,)
    for number in wanted:
        try:
            return _bind(host, number)
        except OSError as error:
            if number != wanted[-1]:
                continue
            if error.errno == errno.EADDRINUSE:
                raise EngineError(
                    f"Port {number} is taken{who_listens(number)}. Choose another one: --port {_another(number)}."
                ) from error
            if error.errno == errno.EACCES:
                raise EngineError(f"Port {number} needs root. Choose one above 1023: --port 8000.") from error
            raise EngineError(
                f"{host}:{number} cannot be bound: {error.strerror}. HOST says where to listen."
            ) from error
    raise AssertionError(wanted)
