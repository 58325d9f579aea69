"""What the clients that people use make of the app's own port, without nginx."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack, closing
from pathlib import Path

from tests.support.app_process import Process
from tests.support.http_clients import unread
from tests.support.nodes import skip_or_fail


def test_every_client_reads_that_its_body_is_too_large(running: Process, tmp_path: Path) -> None:
    assert "READY=1" in running.told()
    assert unread(f"http://127.0.0.1:{running.port}/predictions/predict", tmp_path) == []


def test_curl_that_offers_http2_is_answered(running: Process) -> None:
    if not shutil.which("curl"):
        skip_or_fail("curl is not installed here: apt-get install curl")
    assert "READY=1" in running.told()
    url = f"http://127.0.0.1:{running.port}"
    form = "username=test&password=test"
    done = subprocess.run(["curl", "-s", "--http2", "-d", form, f"{url}/token"], capture_output=True, check=True)
    assert json.loads(done.stdout)["token_type"] == "bearer"


def test_head_is_answered_as_get_without_a_body(running: Process) -> None:
    assert "READY=1" in running.told()
    with closing(http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)) as connection:

        def ask(method: str, path: str) -> tuple[int, str | None, int]:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.headers["content-type"], len(answer.read())

        for path in ("/health", "/health/live", "/models", "/models/echo", "/docs", "/openapi.json", "/"):
            before, head, after = (ask(method, path) for method in ("GET", "HEAD", "GET"))
            assert before == after, path  # on one connection: a body would be read as the next answer
            assert head == (*before[:2], 0), path
            assert before[0] < 400, path


def test_an_idle_connection_makes_room_for_an_active_one(running_with_few_files: Process) -> None:
    """400 silent connections at a process that may open 320 files."""
    process = running_with_few_files
    assert "READY=1" in process.told()
    with ExitStack() as silent, process.client() as client:
        for _ in range(400):
            silent.enter_context(socket.create_connection(("127.0.0.1", process.port), timeout=5))
        started = time.monotonic()
        for _ in range(5):
            assert client.get("/health/ready").status_code == 200
            assert client.get("/docs").status_code == 200
        assert time.monotonic() - started < 8, "before the silent ones were closed for their silence"
