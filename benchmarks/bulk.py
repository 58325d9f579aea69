"""A bulk job beside the drain of a backlog of the same size: lines per second, and what others' singles take meanwhile.

The job is sent to a running service as a client does. Its lines are timed from its start (its credits are held) to
the end of the last one: they become predictions, are fed, answered and counted meanwhile. A backlog is there before
the clock of `drain` starts. Another user's requests with `Prefer: wait` come at a fixed rate while a second job runs.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from statistics import median
from typing import Any

import asyncpg
import httpx2

from benchmarks import broker
from benchmarks.drain import BURST, WORKERS, drain_service
from benchmarks.load_generator import LoadPlan, LoadResult, ask, request
from benchmarks.options import Run
from benchmarks.people import LoadUser, add_people
from benchmarks.place import BenchmarkFailed
from benchmarks.report import Bar, Report, number, ratio
from benchmarks.service import service

PEOPLE = 10
RATE = 20.0
PATH = "/predictions/predict"
LINE = b'{"text":"The parcel came on time, thank you!"}\n'
PIECE_LINES = 1000
DRAIN, BULK, RECEIVED = "drain of a backlog", "bulk job, from its start to its last line", "received"
TOOK = "SELECT extract(epoch FROM finished_at - started_at)::float8 FROM bulk_jobs WHERE id = $1"


@dataclass(frozen=True, slots=True)
class _Round:
    drained: float
    bulk: float
    received: float
    singles: LoadResult


async def run(run: Run) -> Report:
    """Measure both in each round."""
    rounds = [await _round(run) for _ in range(run.size.rounds)]
    rates = {
        DRAIN: [one.drained for one in rounds],
        BULK: [one.bulk for one in rounds],
        RECEIVED: [one.received for one in rounds],
    }
    drained = median(rates[DRAIN])
    p50, p99 = (median(getattr(one.singles, name) for one in rounds) for name in ("p50_ms", "p99_ms"))
    return Report(
        title=f"bulk: {run.size.bulk_lines:,} lines, {WORKERS} worker processes, echo",
        columns=["", "per second", "range", "of the drain"],
        rows=[
            [name, number(median(found)), f"{min(found):,.0f} – {max(found):,.0f}", ratio(median(found), drained)]
            for name, found in rates.items()
        ],
        bars=[Bar(name, median(found), ours=name != DRAIN) for name, found in rates.items()],
        unit="/s",
        notes=[
            f"Meanwhile {RATE:g} single predictions of others a second: p50 {p50:.0f} ms, p99 {p99:.0f} ms.",
            f"Medians of {run.size.rounds} interleaved rounds; the drain is of {run.size.backlog:,} predictions.",
        ],
        figures={name: median(found) for name, found in rates.items()} | {"p50_ms": p50, "p99_ms": p99},
    )


async def _round(run: Run) -> _Round:
    place = run.place
    drained = await drain_service(place, run.size.backlog, BURST)
    await broker.delete_queues(place.amqp_url)
    async with (
        place.database() as database,
        place.session(database) as session,
        service(place, database, apps=run.apps, workers=WORKERS) as running,
    ):
        people = await add_people(session, PEOPLE)
        options: dict[str, Any] = {"base_url": f"http://127.0.0.1:{running.port}", "timeout": 600}
        async with httpx2.AsyncClient(**options) as client:
            began = time.perf_counter()
            bulk_id = await _send(client, people[0], run.size.bulk_lines)
            received = run.size.bulk_lines / (time.perf_counter() - began)
            await _ended(session, bulk_id)
            took_s = await session.fetchval(TOOK, bulk_id)
            second = await _send(client, people[1], run.size.bulk_lines)
            singles = await _singles(running.port, people[2:], run)
            if await session.fetchval("SELECT finished_at FROM bulk_jobs WHERE id = $1", second) is not None:
                raise BenchmarkFailed("the job was over before the single predictions were; give it more bulk_lines")
            await _ended(session, second)
    return _Round(drained.per_second, run.size.bulk_lines / took_s, received, singles)


async def _send(client: httpx2.AsyncClient, person: LoadUser, lines: int) -> str:
    async def content() -> Any:
        for start in range(0, lines, PIECE_LINES):
            yield LINE * min(PIECE_LINES, lines - start)

    headers = {"Authorization": f"Bearer {person.token}", "Content-Type": "application/x-ndjson"}
    answer = await client.post("/bulk?model=echo", content=content(), headers=headers)
    if answer.status_code != 202:  # noqa: PLR2004
        raise BenchmarkFailed(answer.text)
    return str(answer.json()["bulk_id"])


async def _singles(port: int, people: list[LoadUser], run: Run) -> LoadResult:
    body = {"model": "echo", "input": {"text": "one"}}
    requests = tuple(request(PATH, person.token, body, {"Prefer": "wait=10"}) for person in people)
    plan = LoadPlan(port, requests, 64, seconds=run.size.bulk_singles_s, warm_up_s=0.5, rate=RATE)
    outcome = await ask(plan)
    if set(outcome.statuses) != {"200"}:
        raise BenchmarkFailed(f"single predictions were answered {outcome.statuses}")
    return outcome


async def _ended(session: asyncpg.Connection[asyncpg.Record], bulk_id: str) -> None:
    while True:
        row = await session.fetchrow("SELECT finished_at, lines, succeeded FROM bulk_jobs WHERE id = $1", bulk_id)
        if row is None:
            raise BenchmarkFailed("the job is gone")
        if row["finished_at"] is not None:
            if row["lines"] != row["succeeded"]:
                raise BenchmarkFailed(f"of a job, {dict(row)}")
            return
        await asyncio.sleep(0.1)
