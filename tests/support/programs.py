"""Small programs in the place of the services: `python -m tests.support.programs app TRACE` (or worker …)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType

from ml_service.platform.sd_notify import notify

TRACE = Path(sys.argv[2])
NAME = os.environ.get("WORKER_NAME", sys.argv[1])


def trace(text: str) -> None:
    with TRACE.open("a") as file:
        file.write(f"{NAME} {text}\n")


def end(_number: int, _frame: FrameType | None) -> None:
    notify("STOPPING=1")
    while sys.argv[1] == "app-that-waits" and not TRACE.with_suffix(".end").exists():
        time.sleep(0.05)
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
    if what == "worker-with-helper":
        # As a model may do. Of the first nothing but its parent tells whose it is; the other has our environment.
        for env in ({}, None):
            helper = subprocess.Popen(["/bin/sleep", "300"], cwd="/", env=env, start_new_session=True)
            trace(f"helper {helper.pid}")
    notify(f"READY=1\nSTATUS={what} works")
    if what.startswith("app"):
        serve()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
