"""Accepted submissions by HTTP: 32 connections, as many app processes as `start.py` starts, two workers finishing them.

Every request's token is checked, its price held, its row committed, its task sent. One client puts the same load on
all systems, as a thousand users.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from statistics import median

from benchmarks import broker, peer
from benchmarks.load_generator import LoadPlan, LoadResult, ask, request
from benchmarks.options import Run
from benchmarks.people import LoadUser, add_people
from benchmarks.place import BenchmarkFailed, Place, cpu_s
from benchmarks.report import Bar, Report, number, ratio
from benchmarks.service import service

CONNECTIONS = 32
WORKERS = 2
PEER_APPS = 2
"""App processes of a peer: it accepts more than with one, on two cores too."""
PEOPLE = 1000
PATH = "/predictions/predict"
BODY = {"model": "echo", "input": {"text": "The parcel came on time, thank you!"}}
COMPARED = ("Celery", "Taskiq")
OURS = {"ML Service": "rabbitmq", "ML Service on PostgreSQL alone": "postgres"}


@dataclass(frozen=True, slots=True)
class Target:
    """A running system: its port, and the pids of each part."""

    port: int
    parts: dict[str, list[int]]

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds of each part so far."""
        return {name: cpu_s(*pids) for name, pids in self.parts.items()}


async def run(run: Run) -> Report:
    """Measure every system once per round."""
    names = [name for name in OURS if run.wants("service")] + [name for name in COMPARED if run.wants(name)]
    found: dict[str, list[tuple[LoadResult, dict[str, float]]]] = {name: [] for name in names}
    for _ in range(run.size.rounds):
        for name, results in found.items():
            results.append(await _measure(run, name))
    return _report(run, found)


async def _measure(run: Run, name: str) -> tuple[LoadResult, dict[str, float]]:
    await broker.delete_queues(run.place.amqp_url)
    async with run.place.database() as database:
        async with run.place.session(database) as session:
            people = await add_people(session, PEOPLE)
        started = ours(run, database, OURS[name]) if name in OURS else _theirs(run.place, database, name)
        async with started as target:
            # Warm up connections, prepared statements and plans before measuring.
            await ask(replace(plan(target.port, people, 0), number=run.size.warm_up_requests))
            before = target.cpu_s()
            outcome = await ask(plan(target.port, people, run.size.load_s))
            after = target.cpu_s()
        check(outcome, name, "202")
        spent = {part: after[part] - before[part] for part in after} | {"client": outcome.cpu_s}
        return outcome, {part: seconds / outcome.answers * 1e6 for part, seconds in spent.items()}


def plan(port: int, people: list[LoadUser], seconds: float) -> LoadPlan:
    """As many requests as possible over 32 connections."""
    requests = tuple(request(PATH, person.token, BODY) for person in people)
    return LoadPlan(port, requests, CONNECTIONS, seconds=seconds, warm_up_s=0)


def check(outcome: LoadResult, name: str, status: str) -> None:
    """Raise BenchmarkFailed if any answer had another status than ``status``."""
    if set(outcome.statuses) != {status}:
        raise BenchmarkFailed(f"{name} answered {outcome.statuses}")


@asynccontextmanager
async def ours(run: Run, database: str, backend: str, models: str = "echo") -> AsyncIterator[Target]:
    """The service."""
    async with service(run.place, database, apps=run.apps, workers=WORKERS, backend=backend, models=models) as running:
        parts = {"app": [one.pid for one in running.apps], "worker": [one.pid for one in running.workers]}
        yield Target(running.port, parts | {name: [pid] for name, pid in run.place.node_pids.items()})


@asynccontextmanager
async def _theirs(place: Place, database: str, name: str) -> AsyncIterator[Target]:
    async with (
        peer.workers(place, database, name, WORKERS) as workers,
        peer.apps(place, database, name, PEER_APPS) as (apps, port),
    ):
        await asyncio.sleep(0.3)
        parts = {"app": [one.pid for one in apps], "worker": [one.pid for one in workers]}
        yield Target(port, parts | {node: [pid] for node, pid in place.node_pids.items()})


def _report(run: Run, found: dict[str, list[tuple[LoadResult, dict[str, float]]]]) -> Report:
    rates = {name: median(one.per_second for one, _ in results) for name, results in found.items()}
    ours_rate = rates.get("ML Service", 0.0)
    rows = []
    for name, results in found.items():
        parts = list(results[0][1])
        costs = [median(cost[part] for _, cost in results) for part in parts]
        rows.append(
            [
                name,
                number(rates[name]),
                number(median(one.p50_ms for one, _ in results)),
                number(median(one.p99_ms for one, _ in results)),
                ratio(ours_rate, rates[name]),
                *map(number, costs),
            ]
        )
    return Report(
        title=f"submit: {CONNECTIONS} connections, app processes: {run.apps} (peers: {PEER_APPS}), {WORKERS} workers",
        columns=[
            "",
            "per second",
            "p50 ms",
            "p99 ms",
            "the service is",
            "app µs",
            "worker µs",
            "PostgreSQL µs",
            "RabbitMQ µs",
            "client µs",
        ],
        rows=rows,
        bars=[Bar(name, rate, name in OURS) for name, rate in rates.items()],
        unit="/s",
        notes=[
            f"Medians of {run.size.rounds} interleaved rounds of {run.size.load_s:g} s; CPU µs per request and part.",
            "The client, which shares the cores, is the same for all.",
        ],
        figures={
            name: {"per_second": rates[name], "p99_ms": median(one.p99_ms for one, _ in results)}
            for name, results in found.items()
        },
    )
