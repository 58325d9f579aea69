"""Latency of one call with `Prefer: wait`, on an idle system and at half load.

Idle: one request at a time. Half load: requests are due at a fixed rate, independent of the answers, and each latency
counts from when its request was due. The rate is half of the accepted rate measured just before; for a model that
computes, where two workers answer slower than the app accepts, half of the answered rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from benchmarks import broker
from benchmarks.drain import until_finished
from benchmarks.load_generator import LoadPlan, LoadResult, ask, request
from benchmarks.options import Run
from benchmarks.people import LoadUser, add_people
from benchmarks.report import Bar, Report, number
from benchmarks.submit import PATH, PEOPLE, check, ours, plan

BACKENDS = {"RabbitMQ": "rabbitmq", "PostgreSQL alone": "postgres"}
MODELS = ("echo", "sentiment")
WAIT = {"Prefer": "wait=10"}
IN_FLIGHT_MAX = 256
TEXT = "The parcel came on time, thank you!"


@dataclass(frozen=True, slots=True)
class _Case:
    name: str
    outcome: LoadResult


async def run(run: Run) -> Report:
    """Measure both queue backends."""
    found: dict[str, list[LoadResult]] = {}
    for _ in range(run.size.rounds):
        for shown, backend in BACKENDS.items():
            for case in await _measure(run, shown, backend):
                found.setdefault(case.name, []).append(case.outcome)
    return Report(
        title=f"latency: Prefer: wait, app processes: {run.apps}, two workers",
        columns=["", "p50 ms", "p99 ms", "max ms", "requests/s"],
        rows=[
            [
                name,
                number(median(one.p50_ms for one in outcomes)),
                number(median(one.p99_ms for one in outcomes)),
                number(median(one.max_ms for one in outcomes)),
                number(median(one.per_second for one in outcomes)),
            ]
            for name, outcomes in found.items()
        ],
        bars=[Bar(name, median(one.p99_ms for one in outcomes), ours=True) for name, outcomes in found.items()],
        unit="ms p99",
        notes=[
            f"Idle: {run.size.latencies} requests, one at a time. Half load: {run.size.load_s:g} s at half of the rate",
            "that the same processes accepted (echo) or answered (sentiment) just before.",
            f"Medians of {run.size.rounds} rounds.",
        ],
        figures={
            name: {"p50_ms": median(one.p50_ms for one in outcomes), "p99_ms": median(one.p99_ms for one in outcomes)}
            for name, outcomes in found.items()
        },
    )


async def _measure(run: Run, shown: str, backend: str) -> list[_Case]:
    place = run.place
    await broker.delete_queues(place.amqp_url)
    async with place.database() as database, place.session(database) as session:
        people = await add_people(session, PEOPLE)
        async with ours(run, database, backend, models=",".join(MODELS)) as target:
            cases = [_Case(f"{shown}, {model}, idle", await _idle(run, target.port, people, model)) for model in MODELS]
            accepted = await ask(plan(target.port, people, run.size.load_s))
            check(accepted, f"{shown}, accepting", "202")
            await until_finished(session)
            answered = await _answered(run, target.port, people, "sentiment")
            most = {"echo": accepted.per_second, "sentiment": answered.per_second}
            for model in MODELS:
                outcome = await _loaded(run, target.port, people, model, most[model] / 2)
                cases.append(_Case(f"{shown}, {model}, half load", outcome))
                await until_finished(session)
            return cases


def _requests(people: list[LoadUser], model: str) -> tuple[str, ...]:
    body = {"model": model, "input": {"text": TEXT}}
    return tuple(request(PATH, person.token, body, WAIT) for person in people)


async def _idle(run: Run, port: int, people: list[LoadUser], model: str) -> LoadResult:
    await ask(LoadPlan(port, _requests(people, model), 1, number=20))  # warm up
    outcome = await ask(LoadPlan(port, _requests(people, model), 1, number=run.size.latencies))
    check(outcome, f"{model}, idle", "200")
    return outcome


async def _answered(run: Run, port: int, people: list[LoadUser], model: str) -> LoadResult:
    """The rate that two workers can answer."""
    outcome = await ask(LoadPlan(port, _requests(people, model), IN_FLIGHT_MAX, seconds=run.size.load_s))
    check(outcome, f"{model}, answering", "200")
    return outcome


async def _loaded(run: Run, port: int, people: list[LoadUser], model: str, rate: float) -> LoadResult:
    requests, size = _requests(people, model), run.size
    outcome = await ask(
        LoadPlan(port, requests, IN_FLIGHT_MAX, seconds=size.load_s, warm_up_s=size.warm_up_s, rate=rate)
    )
    check(outcome, f"{model}, half load", "200")
    return outcome
