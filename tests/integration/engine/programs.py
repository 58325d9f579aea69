"""Small programs in the place of the services: `python -m tests.integration.engine.programs app` (or worker …)."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from pathlib import Path
from types import FrameType

from ml_service.notify import notify

TRACE = Path(os.environ["TRACE"])
NAME = os.environ.get("WORKER_NAME", sys.argv[1])


def trace(text: str) -> None:
    with TRACE.open("a") as file:
        file.write(f"{NAME} {text}\n")


def end(_number: int, _frame: FrameType | None) -> None:
    notify("STOPPING=1")
    trace("stopped")
    raise SystemExit(0)


def serve() -> None:
    listener = socket.socket(fileno=3)
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + str(os.getpid()).encode())


def main() -> None:
    signal.signal(signal.SIGTERM, end)
    trace(f"started {os.getpid()}")
    what = sys.argv[1]
    if what == "fail":
        sys.stderr.write("this program cannot start\n")
        raise SystemExit(3)
    if what == "migrate":
        return
    notify(f"READY=1\nSTATUS={what} works")
    if what == "app":
        serve()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
