"""Odd requests to the running app: `python -m tests.fuzz --minutes 15 --seed 7`, natively and through nginx in turn.

Whatever is sent: nothing holds the app's loop for 50 ms, nothing that was inside of a body is answered as a request,
what comes back is HTTP, the next client is served, and memory stays where it was.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import h11
import psutil
import structlog
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import HypothesisException

from engine.native.postgres import PostgresNode
from ml_service.storage.schema import migrate
from tests.support.app_process import Process, started
from tests.support.beating import Beats
from tests.support.fuzz_requests import SMUGGLED, mangled, requests
from tests.support.http_wire import parse
from tests.support.nginx import NGINX, a_door
from tests.support.nodes import execute
from tests.support.ports import free_port
from tests.support.service import ECHO

log = structlog.get_logger()

HOLD_S_MAX = 0.05
GROWTH_BYTES_MAX = 150 * 2**20
EXAMPLES = 60
"""In one round; between rounds the clock is looked at."""
NATIVELY = "natively"
CANARY = b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@dataclass
class FuzzTarget:
    """A running app, and the ports that lead to it."""

    process: Process
    beats: Beats
    ports: dict[str, int]
    tried: int = 0

    @property
    def memory(self) -> int:
        """Bytes."""
        return int(psutil.Process(self.process.process.pid).memory_info().rss)

    def check(self, way: str, sent: list[bytes], *, is_framed: bool) -> None:
        """Send it on one connection; raises AssertionError."""
        self.tried += 1
        self.beats.worst_s = 0.0
        came = exchange(self.ports[way], sent)
        # nginx answers what looks like HTTP/0.9 as HTTP/0.9: without a head.
        answers = parse(came) if is_framed or way == NATIVELY else []
        if is_framed:
            ids = [headers.get("x-request-id", "") for _, headers, _ in answers]
            assert SMUGGLED.decode() not in ids, "a part of a body was answered as a request"
            assert len(answers) <= len(sent) + 1
        assert all(status != 500 for status, _, _ in answers)
        canary = parse(exchange(self.ports[way], [CANARY], first_s=20))
        assert [status for status, _, _ in canary] == [200]
        assert self.beats.worst_s <= HOLD_S_MAX or self._hold_again(way, sent) <= HOLD_S_MAX, "the loop was held"

    def _hold_again(self, way: str, sent: list[bytes]) -> float:
        """What holds the loop does so each time; a processor that others share is slow at times."""
        worst = []
        for _ in range(3):
            self.beats.worst_s = 0.0
            exchange(self.ports[way], sent)
            exchange(self.ports[way], [CANARY], first_s=20)
            worst.append(self.beats.worst_s)
        return min(worst)


def exchange(port: int, sent: list[bytes], first_s: float = 1.0) -> bytes:
    """Send, and read what comes until the server closes or is silent for a while, at first for ``first_s`` seconds."""
    came = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            for piece in sent:
                connection.sendall(piece)
            connection.settimeout(first_s)
            while piece := connection.recv(262_144):
                connection.settimeout(0.2)
                came += piece
        except (TimeoutError, ConnectionError):
            pass
    return came


def _round(target: FuzzTarget, way: str, number: int, end: float, *, is_framed: bool) -> None:
    @seed(number)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(requests() if is_framed else mangled(), min_size=1, max_size=3))
    def check(sent: list[bytes]) -> None:
        if time.monotonic() < end:
            target.check(way, sent, is_framed=is_framed)

    check()


def fuzz(target: FuzzTarget, seconds: float, start: int) -> list[str]:
    """Fuzz each way in turn; returns what was violated, smallest example first."""
    before = target.memory
    end = time.monotonic() + seconds
    found: list[str] = []
    number = start
    while not found and time.monotonic() < end:
        way = list(target.ports)[number % len(target.ports)]
        try:
            _round(target, way, number, end, is_framed=number % 3 != 0)
        except (AssertionError, HypothesisException, OSError, h11.ProtocolError) as error:
            found.append(f"{way}, seed {number}: {error!r}")
            log.exception("violated", way=way, seed=number)
        number += 1
    if target.memory - before > GROWTH_BYTES_MAX:
        found.append(f"memory has grown from {before:,} to {target.memory:,} bytes")
    log.info("fuzzed", connections=target.tried, ways=list(target.ports), memory=[before, target.memory])
    return found


@contextmanager
def running_target(database_url: str) -> Iterator[FuzzTarget]:
    """The app with a heartbeat on its loop, alone and, where nginx is installed, behind it."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    beats = Beats(folder / "beats")
    env = {"BEATS_FILE": str(folder / "beats"), "TRUSTED_PROXIES": "127.0.0.0/8", "LOG_LEVEL": "ERROR"}
    port = free_port()
    try:
        with ExitStack() as stack:
            app = started(database_url, folder, ECHO, ("127.0.0.1", port), module="tests.support.beating", **env)
            process = stack.enter_context(app)
            assert "READY=1" in process.told()
            ports = {NATIVELY: port}
            if NGINX is not None:
                ports["through nginx"] = stack.enter_context(a_door(port, "127.0.0.1")).port
            yield FuzzTarget(process, beats, ports)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Read the command line, run, say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Odd requests to the running app.")
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given_ = parser.parse_args()
    log.info("fuzz", minutes=given_.minutes, seed=given_.seed)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    node = PostgresNode(folder / "postgres", durable=False)
    try:
        node.start()
        asyncio.run(execute(node.dsn(), "CREATE DATABASE fuzz"))
        asyncio.run(migrate(node.dsn("fuzz")))
        with running_target(node.dsn("fuzz")) as target:
            found = fuzz(target, given_.minutes * 60, given_.seed)
    finally:
        node.close()
        shutil.rmtree(folder, ignore_errors=True)
    for one in found:
        log.error("violated", what=one)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
