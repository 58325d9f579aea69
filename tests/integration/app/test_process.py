"""The app as a process of its own: the supervisor's socket, its signals, and clients that do not play by the rules."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from ml_service.storage import models
from ml_service.storage.database import Database
from tests.integration.app.conftest import ECHO

ROOT = Path(__file__).parents[3]


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


async def announce(database_url: str) -> None:
    database = await Database.connect(database_url, name="test")
    async with database.autocommit() as session:
        await models.announce(session, [ECHO])
    await database.close()


@pytest.fixture
def running(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder = tmp_path_factory.mktemp("n")
    notifications = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    notifications.bind(str(folder / "notify"))
    notifications.settimeout(30)
    listening = socket.create_server(("127.0.0.1", 0))
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": database_url.replace("postgres@", "ml_service_app@"),
        "QUEUE_BACKEND": "postgres",
        "JWT_SECRET": "0123456789abcdef0123456789abcdef",
        "NOTIFY_SOCKET": str(folder / "notify"),
        "LISTEN_FDS": "1",
    }
    asyncio.run(announce(database_url))
    process = subprocess.Popen(
        [sys.executable, "-m", "services.app.main"],
        cwd=ROOT,
        env=environment,
        pass_fds=(3,),
        preexec_fn=lambda: os.dup2(listening.fileno(), 3),  # noqa: PLW1509  nothing else runs between fork and exec
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    running = Process(process, listening.getsockname()[1], notifications)
    try:
        yield running
    finally:
        process.kill()
        process.wait()
        listening.close()
        notifications.close()


def test_it_says_when_it_is_ready_and_ends_in_good_order(running: Process) -> None:
    assert "READY=1" in running.told()
    with running.client() as client:
        assert client.get("/health/ready").status_code == 200
        token = client.post("/token", data={"username": "test", "password": "test"}).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        answers: list[httpx2.Response] = []

        def wait() -> None:
            ask = {"model": "echo", "text": "nobody works"}
            answers.append(client.post("/predictions/predict", json=ask, headers={"Prefer": "wait=30"}))

        waiting = threading.Thread(target=wait)
        waiting.start()
        while client.get("/balance").json()["held"] == 0:
            time.sleep(0.05)
        started = time.monotonic()
        running.process.send_signal(signal.SIGTERM)
        assert "STOPPING=1" in running.told()
        waiting.join()
        assert [answer.status_code for answer in answers] == [202]
        assert running.process.wait(25) == 0
        assert time.monotonic() - started < 15


def test_odd_requests_are_refused(running: Process) -> None:
    assert "READY=1" in running.told()
    big = b"GET /models HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Big: " + b"a" * 100_000 + b"\r\n\r\n"
    assert running.raw(big).startswith(b"HTTP/1.1 431")
    both = (
        b"POST /token HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"
    )
    assert running.raw(both).startswith(b"HTTP/1.1 4")
    chunk = b"%x\r\n%s\r\n" % (65536, b"a" * 65536)
    head = b"POST /token HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = running.raw(head, *[chunk] * 40)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 413")
    claimed = b"POST /token HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n"
    assert running.raw(claimed).startswith(b"HTTP/1.1 413")
    assert running.raw(b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400")
    with running.client() as client:
        assert client.get("/health/live").status_code == 200
