"""Drain a backlog of published predictions with two workers and a free model: predictions per second.

The workers start and are frozen; the backlog is created; then all resume at once. Time runs from there until the last
row is finished, by the database's clock. The service's rows are submitted by its use case and published by its relay.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import asyncpg

from benchmarks import broker, peer
from benchmarks.options import Run
from benchmarks.peers import RESULTS
from benchmarks.people import LoadUser, add_people, add_predictions
from benchmarks.place import BenchmarkFailed, Place, Running, cpu_s
from benchmarks.report import Bar, Report, number, ratio
from benchmarks.service import service
from ml_service.background.relay import Relay
from ml_service.domain.credentials import Principal
from ml_service.domain.ids import new_id
from ml_service.domain.predictions import Source
from ml_service.domain.submissions import Decision, Submission, SubmissionItem
from ml_service.messaging.connect import connect_queue
from ml_service.messaging.messages import IDS_MAX
from ml_service.storage.database import Database
from ml_service.usecases.group_commit import GroupCommit

BURST = 64
PEOPLE = 1000
WORKERS = 2
TEXT = '{"text":"The parcel came on time, thank you!"}'
STALLED_S = 60.0
REST = 50
"""After a check that took t seconds, wait REST × t before the next."""
TOOK = "SELECT extract(epoch FROM max(finished_at) - $1)::float8 FROM predictions"
OPEN = "SELECT EXISTS (SELECT FROM predictions WHERE finished_at IS NULL)"


@dataclass(frozen=True, slots=True)
class Drained:
    """One measurement: predictions per second, and CPU microseconds per prediction of each part."""

    per_second: float
    cpu_us: dict[str, float]


async def run(run: Run) -> Report:
    """Measure every system once per round."""
    place, count = run.place, run.size.backlog
    measures: dict[str, Callable[[], Awaitable[Drained]]] = {
        f"ML Service, {BURST} ids per message": partial(drain_service, place, count, BURST),
        "ML Service, 1 id per message": partial(drain_service, place, count, 1),
        "ML Service on PostgreSQL alone": partial(drain_service, place, count, BURST, backend="postgres"),
        **{name: partial(drain_peer, place, count, name) for name in peer.PEERS},
    }
    found: dict[str, list[Drained]] = {name: [] for name in measures if run.wants(_system(name))}
    for _ in range(run.size.rounds):
        for name, results in found.items():
            results.append(await measures[name]())
    return _report(run, found)


def _system(name: str) -> str:
    return "service" if name.startswith("ML Service") else name


def _report(run: Run, found: dict[str, list[Drained]]) -> Report:
    rates = {name: median(one.per_second for one in results) for name, results in found.items()}
    best = max((rate for name, rate in rates.items() if name in peer.PEERS), default=0.0)
    parts = ("worker", "PostgreSQL", "RabbitMQ")
    rows = []
    for name, results in found.items():
        costs = [median(one.cpu_us.get(part, 0.0) for one in results) for part in parts]
        spread = f"{min(one.per_second for one in results):,.0f} – {max(one.per_second for one in results):,.0f}"
        rows.append(
            [name, number(rates[name]), spread, ratio(rates[name], best), *map(number, costs), number(sum(costs))]
        )
    return Report(
        title=f"drain: a backlog of {run.size.backlog:,}, {WORKERS} worker processes, echo",
        columns=["", "per second", "range", "of the best peer", *(f"{part} µs" for part in parts), "CPU µs"],
        rows=rows,
        bars=[Bar(name, rate, name not in peer.PEERS) for name, rate in rates.items()],
        unit="/s",
        notes=[
            f"Medians of {run.size.rounds} interleaved rounds; CPU µs per prediction, in all processes of the part."
        ],
        figures=rates,
    )


async def drain_service(
    place: Place, count: int, ids_per_message: int, *, backend: str = "rabbitmq", workers: int = WORKERS
) -> Drained:
    """Drain ``count`` predictions with the service."""
    await broker.delete_queues(place.amqp_url)
    async with (
        place.database() as database,
        service(place, database, apps=0, workers=workers, backend=backend) as running,
    ):
        async with place.session(database) as session:
            people = await add_people(session, PEOPLE)
        for worker in running.workers:
            worker.freeze()
        await submit(place, database, people, count, ids_per_message, backend=backend)
        drained = await measure(place, database, count, running.workers)
        if backend == "rabbitmq":
            await broker.until(place.amqp_url, "ml_results", messages=count // IDS_MAX, timeout_s=10)
        return drained


async def drain_peer(place: Place, count: int, name: str) -> Drained:
    """Drain ``count`` predictions with a peer."""
    await broker.delete_queues(place.amqp_url)
    async with place.database() as database, peer.workers(place, database, name, WORKERS) as workers:
        async with place.session(database) as session:
            ids = await add_predictions(session, await add_people(session, PEOPLE), count, "echo", TEXT)
        for worker in workers:
            worker.freeze()
        await peer.publish(place, database, name, ids)
        drained = await measure(place, database, count, workers)
        await broker.until(place.amqp_url, RESULTS, messages=count, timeout_s=10)
        return drained


async def submit(
    place: Place,
    database: str,
    people: list[LoadUser],
    count: int,
    ids_per_message: int,
    *,
    model: str = "echo",
    backend: str = "rabbitmq",
) -> None:
    """Submit ``count`` predictions by the use case, and wait until all are published."""
    url = place.postgres.dsn(database, "ml_service_app")
    durable = await Database.connect(url, name="benchmark", timeout_s=60)
    relaxed = await Database.connect(url, name="benchmark", durable=False, timeout_s=60)
    queue = await connect_queue(backend, amqp_url=place.amqp_url, database_url=url, name="benchmark")
    relay = Relay(relaxed, queue, lambda *_: ids_per_message)
    commits = GroupCommit(durable, relay.send)
    try:
        await queue.declare()
        outcomes = await asyncio.gather(
            *(commits.submit(_submission(people[at % len(people)], model)) for at in range(count))
        )
        if any(outcome.decision is not Decision.ACCEPTED for outcome in outcomes):
            raise BenchmarkFailed("not everything was accepted")
        await commits.drain()
        await relay.drain()
    finally:
        await queue.close()
        await relaxed.close()
        await durable.close()


def _submission(person: LoadUser, model: str) -> Submission:
    item = SubmissionItem(new_id(), model, "1", "default", 1, TEXT)
    return Submission(Principal(person.id), Source.API, (item,), open_max=1_000_000)


async def measure(place: Place, database: str, count: int, workers: Sequence[Running]) -> Drained:
    """Resume the workers and wait until no prediction is open.

    Raises:
        BenchmarkFailed: Progress stopped, or the ledger does not match.
    """
    pids = [worker.pid for worker in workers]
    async with place.session(database) as session:
        await session.execute("CHECKPOINT")
        before = {name: cpu_s(pid) for name, pid in place.node_pids.items()} | {"worker": cpu_s(*pids)}
        begin = await session.fetchval("SELECT clock_timestamp()")
        for worker in workers:
            worker.resume()
        await until_finished(session)
        took_s = await session.fetchval(TOOK, begin)
        await asyncio.sleep(0.2)  # the last acks
        after = {name: cpu_s(pid) for name, pid in place.node_pids.items()} | {"worker": cpu_s(*pids)}
        books = await session.fetchrow(
            "SELECT (SELECT count(*) FROM predictions WHERE status = 'succeeded') AS answers,"
            " (SELECT count(*) FROM transactions WHERE kind = 'capture') AS captures"
        )
    if books is None or (books["answers"], books["captures"]) != (count, count):
        raise BenchmarkFailed(f"of {count} predictions, {dict(books or {})} are in the books")
    return Drained(count / took_s, {name: (after[name] - before[name]) / count * 1e6 for name in after})


async def until_finished(session: asyncpg.Connection[asyncpg.Record], stalled_s: float = STALLED_S) -> None:
    """Wait until no prediction is open; raises BenchmarkFailed when none ends for ``stalled_s``."""
    end = time.perf_counter() + stalled_s
    open_before = -1
    while True:
        asked = time.perf_counter()
        if not await session.fetchval(OPEN):
            return
        # The query steps over dead index entries; it must not cost more than 2 % of what we measure.
        now = time.perf_counter()
        await asyncio.sleep(max(0.05, REST * (now - asked)))
        if now > end:
            open_now = await session.fetchval("SELECT count(*) FROM predictions WHERE finished_at IS NULL")
            if open_now == open_before:
                raise BenchmarkFailed(f"{open_now} predictions stay open")
            open_before, end = open_now, now + stalled_s
