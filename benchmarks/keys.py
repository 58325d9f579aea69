"""Submissions by API key beside the same by sign-in, in turns on the same running service.

As `submit` measures them. Each user has a session, a key without a cap and a key with one.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from benchmarks import broker
from benchmarks.load_generator import LoadResult, ask
from benchmarks.options import Run
from benchmarks.people import LoadUser, add_keys, add_people
from benchmarks.report import Bar, Report, number
from benchmarks.submit import CONNECTIONS, OURS, PEOPLE, WORKERS, check, ours, plan

SESSION, KEY, CAPPED = "by sign-in", "by API key", "by API key with a cap"
TURNS = 3
"""In each round, and each begins with the next one, so that what changes meanwhile falls on all alike."""


async def run(run: Run) -> Report:
    """Measure all in turns, on a service of its own in each round."""
    found: dict[str, list[tuple[LoadResult, dict[str, float]]]] = {SESSION: [], KEY: [], CAPPED: []}
    for _ in range(run.size.rounds):
        await broker.delete_queues(run.place.amqp_url)
        async with run.place.database() as database:
            async with run.place.session(database) as session:
                people = await add_people(session, PEOPLE)
                callers = {
                    SESSION: people,
                    KEY: _with(people, await add_keys(session, people, None)),
                    CAPPED: _with(people, await add_keys(session, people, 10**9)),
                }
            async with ours(run, database, OURS["ML Service"]) as target:
                for one in callers.values():
                    await ask(replace(plan(target.port, one, 0), number=max(run.size.warm_up_requests, 2 * PEOPLE)))
                for turn in range(TURNS):
                    for name, one in _from(list(callers.items()), turn):
                        before = target.cpu_s()
                        outcome = await ask(plan(target.port, one, run.size.load_s / TURNS))
                        check(outcome, name, "202")
                        spent = {part: seconds - before[part] for part, seconds in target.cpu_s().items()}
                        found[name].append((outcome, {part: s / outcome.answers * 1e6 for part, s in spent.items()}))
    return _report(run, found)


def _from(callers: list[tuple[str, list[LoadUser]]], turn: int) -> list[tuple[str, list[LoadUser]]]:
    """The callers, beginning with another one in each turn: the table is smallest for the first."""
    first = turn % len(callers)
    return callers[first:] + callers[:first]


def _with(people: list[LoadUser], tokens: list[str]) -> list[LoadUser]:
    return [replace(person, token=token) for person, token in zip(people, tokens, strict=True)]


def _report(run: Run, found: dict[str, list[tuple[LoadResult, dict[str, float]]]]) -> Report:
    rates = {name: median(one.per_second for one, _ in results) for name, results in found.items()}
    parts = list(found[SESSION][0][1])
    rows = [
        [
            name,
            number(rates[name]),
            number(median(one.p50_ms for one, _ in results)),
            number(median(one.p99_ms for one, _ in results)),
            f"{(rates[name] / rates[SESSION] - 1) * 100:+.1f} %",
            *(number(median(cost[part] for _, cost in results)) for part in parts),
        ]
        for name, results in found.items()
    ]
    return Report(
        title=f"keys: {CONNECTIONS} connections, app processes: {run.apps}, {WORKERS} workers finishing meanwhile",
        columns=["", "per second", "p50 ms", "p99 ms", "beside sign-in", *(f"{part} µs" for part in parts)],
        rows=rows,
        bars=[Bar(name, rate, ours=True) for name, rate in rates.items()],
        unit="/s",
        notes=[
            f"Medians of {run.size.rounds} rounds of {TURNS} turns each; CPU µs per request and part.",
        ],
        figures={
            name: {"per_second": rates[name], "p50_ms": median(one.p50_ms for one, _ in results)}
            for name, results in found.items()
        },
    )
