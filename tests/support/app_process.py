"""The app as a process of its own, on a socket that is passed to it."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

from ml_service.domain.models import ModelSpec
from ml_service.storage.database import Database
from tests.support.play import announce_served
from tests.support.waiting import PATIENCE_S

ROOT = Path(__file__).parents[2]


@dataclass
class Process:
    """A running app and the port of the socket that it was given."""

    process: subprocess.Popen[bytes]
    port: int
    notifications: socket.socket

    def told(self) -> str:
        return self.notifications.recv(4096).decode()

    def client(self) -> httpx2.Client:
        return httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20)

    def raw(self, *parts: bytes) -> bytes:
        """Send bytes as they are; returns what came until the server closed or paused."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            got = b""
            try:
                for part in parts:
                    connection.sendall(part)
                while piece := connection.recv(65536):
                    got += piece
            except (TimeoutError, ConnectionError):
                pass
            return got


async def _announce(database_url: str, spec: ModelSpec) -> None:
    database = await Database.connect(database_url, name="test")
    async with database.autocommit() as session:
        await announce_served(session, spec)
    await database.close()


@contextmanager
def started(
    database_url: str,
    folder: Path,
    spec: ModelSpec,
    address: tuple[str, int] = ("127.0.0.1", 0),
    module: str = "services.app.main",
    **settings: str,
) -> Iterator[Process]:
    """Start the app over a database in which ``spec`` is announced; kill it at the end."""
    notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notifications.bind(str(folder / "notify"))
    notifications.settimeout(PATIENCE_S)
    listening = socket.create_server(address)
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url.replace("postgres@", "ml_service_app@"),
        "QUEUE_BACKEND": "postgres",
        "JWT_SECRET": "7f1c0d93e5b24a68a1d4c3f05e9b8726",
        "NOTIFY_SOCKET": str(folder / "notify"),
        "LISTEN_FDS": "1",
        **settings,
    }
    asyncio.run(_announce(database_url, spec))
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=environment,
        pass_fds=(3,),
        preexec_fn=lambda: os.dup2(listening.fileno(), 3),  # noqa: PLW1509  nothing else runs between fork and exec
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    running = Process(process, listening.getsockname()[1], notifications)
    listening.close()  # it is the app's alone: when that is killed, connections are refused
    try:
        yield running
    finally:
        process.kill()
        process.wait()
        notifications.close()
