"""A lean HTTP load generator: one process, plain sockets, requests built beforehand.

    python -m benchmarks.load_generator < plan.json > outcome.json

Closed loop (``rate`` null): each connection sends its next request when the last one is answered. Open loop: requests
are due at ``rate`` per second whether or not earlier ones are answered, and a latency counts from when its request was
due, so that a stalled server cannot hide the requests that would have come meanwhile (no coordinated omission).
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any

import uvloop

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """What to send.

    Attributes:
        requests: Whole HTTP requests as text, taken in turn.
        connections: In an open loop, the most requests in flight.
        seconds: Duration after ``warm_up_s``; ignored if ``number`` is given, which ends the run after so many answers.
        rate: Requests per second of an open loop.
    """

    port: int
    requests: tuple[str, ...]
    connections: int
    seconds: float = 10.0
    warm_up_s: float = 1.0
    rate: float | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class LoadResult:
    """The result; latencies in milliseconds."""

    answers: int
    per_second: float
    statuses: dict[str, int] = field(default_factory=dict)
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    cpu_s: float = 0.0


class _Connection(asyncio.Protocol):
    """Sends a request and reads its answer; parses no header but the length."""

    def __init__(self, driver: _Driver) -> None:
        self._driver = driver
        self._buffer = b""
        self.since = 0.0
        self.transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def send(self, request: bytes, due: float) -> None:
        """Send; the latency counts from ``due``."""
        self.since = due
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        lower = self._buffer[:head].lower()
        at = lower.index(b"content-length:") + 15
        end = lower.find(b"\r\n", at)
        length = int(lower[at : end if end >= 0 else head])
        if len(self._buffer) < head + 4 + length:
            return
        status = self._buffer[9:12].decode()
        self._buffer = b""
        self._driver.answered(self, status)

    def connection_lost(self, exc: Exception | None) -> None:
        self._driver.lost(exc)


class _Driver:
    """Keeps the connections busy and records the times."""

    def __init__(self, plan: LoadPlan) -> None:
        self._plan = plan
        self._requests = [request.encode() for request in plan.requests]
        self._turn = 0
        self._idle: deque[_Connection] = deque()
        self._due: deque[float] = deque()
        self._seen: list[tuple[float, float, str]] = []  # due, answered, status
        self._ended = asyncio.Event()
        self._error: Exception | None = None
        self._stopping = False
        self._wanted = plan.number

    async def run(self) -> LoadResult:
        loop = asyncio.get_running_loop()
        for _ in range(self._plan.connections):
            _, one = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", self._plan.port)
            self._idle.append(one)
        begin = time.perf_counter()
        cpu = time.process_time()
        if self._plan.rate is not None:
            await self._on_time(begin)
        else:
            while self._idle:
                self._send(self._idle.popleft(), time.perf_counter())
            if self._plan.number is None:
                loop.call_later(self._plan.warm_up_s + self._plan.seconds, self._ended.set)
            async with asyncio.timeout(self._plan.warm_up_s + self._plan.seconds + TIMEOUT_S * 10):
                await self._ended.wait()
        self._stopping = True
        if self._error is not None:
            raise self._error
        return self._outcome(begin, time.process_time() - cpu)

    async def _on_time(self, begin: float) -> None:
        assert self._plan.rate is not None  # noqa: S101
        total = int(self._plan.rate * (self._plan.warm_up_s + self._plan.seconds))
        for number in range(total):
            due = begin + number / self._plan.rate
            now = time.perf_counter()
            if due > now:
                await asyncio.sleep(due - now)
            if self._idle:
                self._send(self._idle.popleft(), due)
            else:
                self._due.append(due)
        self._wanted = total
        if len(self._seen) < total:
            async with asyncio.timeout(TIMEOUT_S):
                await self._ended.wait()

    def _send(self, connection: _Connection, due: float) -> None:
        request = self._requests[self._turn % len(self._requests)]
        self._turn += 1
        connection.send(request, due)

    def answered(self, connection: _Connection, status: str) -> None:
        now = time.perf_counter()
        self._seen.append((connection.since, now, status))
        if self._wanted is not None and len(self._seen) >= self._wanted:
            self._ended.set()
        if self._stopping or self._ended.is_set():
            return
        if self._plan.rate is None:
            if self._plan.number is None or self._turn < self._plan.number:
                self._send(connection, now)
        elif self._due:
            self._send(connection, self._due.popleft())
        else:
            self._idle.append(connection)

    def lost(self, error: Exception | None) -> None:
        if not self._stopping:
            self._error = error or ConnectionError("the server closed a connection")
            self._ended.set()

    def _outcome(self, begin: float, cpu_s: float) -> LoadResult:
        start = begin + (0.0 if self._plan.number is not None else self._plan.warm_up_s)
        seen = [one for one in self._seen if one[1] >= start] if self._plan.rate is None else self._seen
        if self._plan.rate is not None:
            seen = [one for one in self._seen if one[0] >= start]
        if not seen:
            raise RuntimeError("nothing was answered")
        times = sorted((answered - due) * 1000 for due, answered, _ in seen)
        last = max(answered for _, answered, _ in seen)
        return LoadResult(
            answers=len(seen),
            per_second=len(seen) / (last - start),
            statuses=dict(Counter(status for _, _, status in seen)),
            p50_ms=times[len(times) // 2],
            p99_ms=times[min(len(times) - 1, int(len(times) * 0.99))],
            max_ms=times[-1],
            cpu_s=cpu_s,
        )


def request(path: str, token: str, body: Any, headers: dict[str, str] | None = None) -> str:
    """A POST request as sent over the wire."""
    text = json.dumps(body, separators=(",", ":"))
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(text)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines) + "\r\n\r\n" + text


async def ask(plan: LoadPlan) -> LoadResult:
    """Run ``plan`` in a separate process.

    Raises:
        RuntimeError: It failed; the message is the end of its stderr.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.load_generator",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate(json.dumps(asdict(plan)).encode())
    if process.returncode:
        raise RuntimeError(f"the load ended early: {error.decode()[-600:]}")
    return LoadResult(**json.loads(out))


def main() -> None:
    """Read a plan, run it, write the outcome."""
    plan = LoadPlan(**json.load(sys.stdin))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        json.dump(asdict(runner.run(_Driver(plan).run())), sys.stdout)


if __name__ == "__main__":
    main()
