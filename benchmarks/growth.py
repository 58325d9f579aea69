"""Does a prediction cost more with millions of rows? CPU and buffers per prediction, small against big database.

Two databases on one server, one new and one with a long history. Alternating between them: the service starts, a fixed
number of predictions is submitted by HTTP and finished, and the CPU and buffers used are counted.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from statistics import median

import asyncpg

from benchmarks import broker, past
from benchmarks.drain import until_finished
from benchmarks.load_generator import LoadPlan, ask, request
from benchmarks.options import Run
from benchmarks.people import LoadUser, add_people
from benchmarks.report import Bar, Report, number
from benchmarks.submit import BODY, CONNECTIONS, PATH, PEOPLE, Target, check, ours

BUFFERS = "SELECT blks_hit + blks_read AS buffers, blks_read FROM pg_stat_database WHERE datname = current_database()"
PARTS = ("app", "worker", "PostgreSQL")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one prediction, from the request to the answer: CPU microseconds, buffers touched, buffers read in."""

    cpu_us: dict[str, float]
    buffers: float
    read: float

    @property
    def cpu_sum_us(self) -> float:
        """Of all parts together."""
        return sum(self.cpu_us[part] for part in PARTS)


async def run(run: Run) -> Report:
    """Fill one database, then measure both in turn."""
    place, size = run.place, run.size
    async with place.database() as small, place.database() as big:
        async with place.session(big) as session:
            await past.fill(session, size.old_predictions, size.old_users)
        people = {}
        for database in (small, big):
            async with place.session(database) as session:
                people[database] = await add_people(session, PEOPLE)
        found: dict[str, list[Cost]] = {small: [], big: []}
        for database in found:
            await _measure(run, database, people[database])  # not counted: it warms both
        for at in range(size.growth_rounds):
            for database in list(found)[:: 1 if at % 2 else -1]:
                found[database].append(await _measure(run, database, people[database]))
    return _report(run, found[small], found[big])


async def _measure(run: Run, database: str, people: list[LoadUser]) -> Cost:
    place, count = run.place, run.size.growth_requests
    await broker.delete_queues(place.amqp_url)
    requests = tuple(request(PATH, person.token, BODY) for person in people)
    async with place.session(database) as session, ours(run, database, "rabbitmq") as target:
        # Warm up connections, prepared statements and plans before measuring.
        await ask(LoadPlan(target.port, requests, CONNECTIONS, number=max(CONNECTIONS, count // 5)))
        await until_finished(session)
        await session.execute("CHECKPOINT")
        await asyncio.sleep(1.2)
        before = await _counters(session, target)
        check(await ask(LoadPlan(target.port, requests, CONNECTIONS, number=count)), "growth", "202")
        await until_finished(session)
        await asyncio.sleep(1.2)  # backends report their buffers once a second
        after = await _counters(session, target)
    each = {name: (after[name] - before[name]) / count for name in after}
    return Cost({part: each[part] * 1e6 for part in PARTS}, each["buffers"], each["read"])


async def _counters(session: asyncpg.Connection[asyncpg.Record], target: Target) -> dict[str, float]:
    row = await session.fetchrow(BUFFERS)
    assert row is not None  # noqa: S101  every database has its row
    return {**target.cpu_s(), "buffers": float(row["buffers"]), "read": float(row["blks_read"])}


def _report(run: Run, small: list[Cost], big: list[Cost]) -> Report:
    def row(name: str, small_values: list[float], big_values: list[float]) -> list[str]:
        first, second = median(small_values), median(big_values)
        change = f"{100 * (second / first - 1):+.1f} %" if first else "–"
        return [name, number(first), number(second), change]

    rows = [row(f"{part}: CPU µs", [c.cpu_us[part] for c in small], [c.cpu_us[part] for c in big]) for part in PARTS]
    rows.append(row("all together: CPU µs", [c.cpu_sum_us for c in small], [c.cpu_sum_us for c in big]))
    rows.append(row("buffers touched", [c.buffers for c in small], [c.buffers for c in big]))
    rows.append(row("buffers read from outside shared_buffers", [c.read for c in small], [c.read for c in big]))
    past = f"{run.size.old_predictions:,} predictions of {run.size.old_users:,} users"
    return Report(
        title=f"growth: cost of a prediction in a new database and in one with {past}",
        columns=["per prediction", "new", "with history", "change"],
        rows=rows,
        bars=[
            Bar("new: CPU µs", median(c.cpu_sum_us for c in small), ours=False),
            Bar("with history: CPU µs", median(c.cpu_sum_us for c in big), ours=True),
        ],
        unit="µs",
        notes=[
            f"{run.size.growth_requests:,} requests a round, medians of {run.size.growth_rounds} interleaved rounds."
        ],
        figures={
            "cpu_us": [median(c.cpu_sum_us for c in costs) for costs in (small, big)],
            "buffers": [median(c.buffers for c in costs) for costs in (small, big)],
        },
    )
