"""`--start --foreground`, as the unit of `--systemd` runs it: one process that is told to stop, and stops all."""

from __future__ import annotations

import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.support.ports import free_port
from tests.support.system import PATIENCE_S, System, copy_tree

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="a socket says who writes on Linux")]

CREDENTIALS = struct.Struct("3i")


def test_the_process_that_systemd_started_stays_and_stops_everything(tmp_path: Path) -> None:
    system = System(copy_tree(tmp_path / "a % b"), "postgres", free_port(), models="echo")
    options = ["--engine", "native", "--queue", "postgres", "--port", str(system.port), "--workers", "1"]
    command = [sys.executable, "start.py", "--start", "--foreground", *options]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(tmp_path / "notify"))
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        heard.settimeout(PATIENCE_S)
        env = {**system.environment(), "NOTIFY_SOCKET": str(tmp_path / "notify")}
        process = subprocess.Popen(command, cwd=system.root, env=env, stdin=subprocess.DEVNULL)
        try:
            said, who = receive(heard)
            assert said.startswith("READY=1")
            assert who == process.pid  # NotifyAccess=main
            assert process.poll() is None
            assert httpx2.get(f"{system.url}/health/live", timeout=60).status_code == 200
            assert "It is already running" in system.run("--start", "--foreground", *options, expected=1)
            before = system.processes()
            process.send_signal(signal.SIGTERM)
            assert receive(heard)[0].startswith("STOPPING=1")
            assert process.wait(PATIENCE_S) == 0
            assert system.left_of(before) == []
        finally:
            process.kill()
            process.wait()
            system.end()


def receive(heard: socket.socket) -> tuple[str, int]:
    """What was said besides asking for patience, and the id of the process that said it."""
    data, sent, _, _ = heard.recvmsg(4096, socket.CMSG_SPACE(CREDENTIALS.size))
    [(_, _, credentials)] = sent
    if data.startswith(b"EXTEND_TIMEOUT_USEC="):
        return receive(heard)
    return data.decode(), CREDENTIALS.unpack(credentials)[0]
