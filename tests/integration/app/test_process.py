"""The app as a process of its own: the supervisor's socket, its signals, and clients that do not play by the rules."""

from __future__ import annotations

import signal
import threading
import time

import httpx2

from tests.support.app_process import Process


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
