"""Event streams of one app process: its memory (PSS) and CPU with thousands open, and how soon an event arrives."""

from __future__ import annotations

import asyncio
import json
import resource
import statistics
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx2

from benchmarks.options import Run
from benchmarks.people import LoadUser, add_people
from benchmarks.place import BenchmarkFailed, cpu_s, pss_bytes
from benchmarks.report import Bar, Report, number
from benchmarks.service import HOST, RunningService, service

AT_ONCE = 100
REST_S = 5.0
LATENCIES = 50


async def run(run: Run) -> Report:
    """Open the streams, a user each, in ten portions, and read the memory after each."""
    place, total = run.place, run.size.streams
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    seen: list[tuple[int, float]] = []
    more = {"STREAMS_MAX": str(total + 10)}
    async with place.database() as database, service(place, database, apps=1, workers=1, more=more) as running:
        app = running.apps[0]
        async with place.session(database) as session:
            people = await add_people(session, total)
        await _latencies(running, people[0], 5)  # warm
        idle = await _latencies(running, people[0], LATENCIES)
        seen.append((0, pss_bytes(app.pid) / 2**20))
        open_streams: list[asyncio.StreamWriter] = []
        try:
            for portion in batched(people, max(1, total // 10)):
                for together in batched(portion, AT_ONCE):
                    open_streams += await asyncio.gather(*(_open(running.port, one) for one in together))
                seen.append((len(open_streams), pss_bytes(app.pid) / 2**20))
            before, started = cpu_s(app.pid, place.postgres.pid), time.perf_counter()
            await asyncio.sleep(REST_S)
            cores = (cpu_s(app.pid, place.postgres.pid) - before) / (time.perf_counter() - started)
            busy = await _latencies(running, people[0], LATENCIES)
        finally:
            for writer in open_streams:
                writer.close()
    return _report(seen, cores, idle, busy)


def batched(people: Sequence[LoadUser], size: int) -> Iterator[Sequence[LoadUser]]:
    """Pieces of ``size``."""
    return (people[start : start + size] for start in range(0, len(people), size))


async def _open(port: int, person: LoadUser) -> asyncio.StreamWriter:
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(f"GET /events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {person.token}\r\n\r\n".encode())
    try:
        await reader.readuntil(b"event: snapshot\n")
    except asyncio.IncompleteReadError as error:
        raise BenchmarkFailed(error.partial.decode()) from None
    asyncio.get_running_loop().create_task(_drain(reader))
    return writer


async def _drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(65_536):
        pass


async def _latencies(running: RunningService, person: LoadUser, count: int) -> list[float]:
    """Milliseconds from a prediction's end, by the database's clock, to its event in the later of two tabs."""
    headers = {"Authorization": f"Bearer {person.token}"}
    found = []
    options: dict[str, Any] = {"base_url": f"http://{HOST}:{running.port}", "headers": headers, "timeout": 30}
    async with httpx2.AsyncClient(**options) as client, _tab(client) as one, _tab(client) as two:
        for _ in range(count):
            await client.post("/predictions/predict", json={"text": "hello"})
            found.append(max(await asyncio.gather(anext(one), anext(two))))
            await asyncio.sleep(0.05)
    return found


@asynccontextmanager
async def _tab(client: httpx2.AsyncClient) -> AsyncIterator[AsyncIterator[float]]:
    async with client.stream("GET", "/events") as answer:
        lines = answer.aiter_lines()
        async for line in lines:
            if line.startswith("event: snapshot"):
                break
        yield _delays(lines)


async def _delays(lines: AsyncIterator[str]) -> AsyncIterator[float]:
    async for line in lines:
        if line.startswith("data: ") and (data := json.loads(line[6:])).get("status") == "succeeded":
            yield 1000 * (time.time() - datetime.fromisoformat(data["finished_at"]).timestamp())


def _report(seen: list[tuple[int, float]], cores: float, idle: list[float], busy: list[float]) -> Report:
    most = max(value for _, value in seen)
    delays = f"{_shown(idle)} with no other stream, {_shown(busy)} with all open"
    return Report(
        title=f"streams: PSS of an app process with up to {seen[-1][0]:,} event streams, a user each",
        columns=["open streams", "MiB"],
        rows=[[f"{count:,}", number(value)] for count, value in seen],
        bars=[Bar(f"{count:,}", value, ours=True) for count, value in seen],
        unit="MiB",
        notes=[
            f"At rest with all open, app and PostgreSQL use {100 * cores:.0f} % of a core.",
            f"From a prediction's end to both tabs, p50 and most: {delays}.",
        ],
        figures={"mebibytes": seen, "most": most, "cores": cores, "idle_ms": idle, "busy_ms": busy},
    )


def _shown(times: list[float]) -> str:
    return f"{statistics.median(times):.1f} and {max(times):.1f} ms"
