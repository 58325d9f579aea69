"""Batch requests of a thousand predictions: how many predictions are accepted and committed per second."""

from __future__ import annotations

from statistics import median

from benchmarks import broker
from benchmarks.load_generator import LoadPlan, LoadResult, ask, request
from benchmarks.options import Run
from benchmarks.people import add_people
from benchmarks.report import Bar, Report, number
from benchmarks.service import service
from benchmarks.submit import BODY, CONNECTIONS, check
from benchmarks.submit import PATH as ONE

ITEMS = 1000
PATH = "/predictions/batch"
CASES = {"one after the other, workers idle before": 1, "four at once": 4}
"""Name: connections."""


async def run(run: Run) -> Report:
    """Measure with one connection and with four; the workers finish meanwhile."""
    found: dict[str, list[LoadResult]] = {name: [] for name in CASES}
    for _ in range(run.size.rounds):
        for name, connections in CASES.items():
            found[name].append(await _measure(run, connections))
    rates = {name: median(one.per_second for one in outcomes) * ITEMS for name, outcomes in found.items()}
    first = {name: median(ITEMS / one.p50_ms * 1000 for one in outcomes) for name, outcomes in found.items()}
    return Report(
        title=f"batch: requests of {ITEMS:,} predictions, app processes: {run.apps}, two workers finishing meanwhile",
        columns=["", "predictions/s", "p50 ms of a request", "max ms", f"{ITEMS:,} per p50: predictions/s"],
        rows=[
            [
                name,
                number(rates[name]),
                number(median(one.p50_ms for one in outcomes)),
                number(max(one.max_ms for one in outcomes)),
                number(first[name]),
            ]
            for name, outcomes in found.items()
        ],
        bars=[Bar(name, rate, ours=True) for name, rate in rates.items()],
        unit="/s",
        notes=[f"{run.size.batches} requests for each figure; medians of {run.size.rounds} rounds."],
        figures={"per_second": rates, "per_second_at_p50": first},
    )


async def _measure(run: Run, connections: int) -> LoadResult:
    await broker.delete_queues(run.place.amqp_url)
    async with run.place.database() as database, service(run.place, database, apps=run.apps) as running:
        async with run.place.session(database) as session:
            people = await add_people(session, 10)
        await ask(LoadPlan(running.port, (request(ONE, people[0].token, BODY),), CONNECTIONS, number=200))  # warm
        body = {"items": [{"model": "echo", "input": {"text": f"number {at}"}} for at in range(ITEMS)]}
        requests = tuple(request(PATH, person.token, body) for person in people)
        outcome = await ask(LoadPlan(running.port, requests, connections, number=run.size.batches))
        check(outcome, "batch", "202")
        return outcome
