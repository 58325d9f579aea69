"""A model that computes 5 ms per input: the service against the bare model in a loop on the same cores.

Bare: two processes, each running the model on batches of the same size. Service: two workers with the same model, with
queue and database on the same cores.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from statistics import median

from benchmarks import broker
from benchmarks.drain import Drained, measure, submit
from benchmarks.models.busy.model import Busy, compute
from benchmarks.options import Run
from benchmarks.people import add_people
from benchmarks.place import ROOT, BenchmarkFailed, inherited
from benchmarks.report import Bar, Report, number
from benchmarks.service import service

WORKERS = 2
ITEM_MS = 5.0
TRIAL_ROUNDS = 20_000


async def run(run: Run) -> Report:
    """Measure both, alternating."""
    rounds = _calibrated()
    bare: list[float] = []
    drained: list[Drained] = []
    for _ in range(run.size.rounds):
        bare.append(await _bare(run.size.model_items, rounds))
        drained.append(await _through_service(run, rounds))
    shares = [100 * one.per_second / alone for one, alone in zip(drained, bare, strict=True)]
    rate = median(one.per_second for one in drained)
    cost = {part: median(one.cpu_us[part] for one in drained) for part in drained[0].cpu_us}
    return Report(
        title=f"model: {run.size.model_items:,} inputs of {ITEM_MS:g} ms each, batches of {Busy.batch_size}",
        columns=["", "inputs/s", "share", "range", "worker µs", "PostgreSQL µs", "RabbitMQ µs"],
        rows=[
            ["the bare model, two processes", number(median(bare)), "100 %", "", "", "", ""],
            [
                "through the service, two workers",
                number(rate),
                f"{median(shares):.1f} %",
                f"{min(shares):.1f} – {max(shares):.1f} %",
                *(number(cost[part]) for part in ("worker", "PostgreSQL", "RabbitMQ")),
            ],
        ],
        bars=[Bar("the bare model", median(bare), ours=False), Bar("through the service", rate, ours=True)],
        unit="/s",
        notes=[
            f"The worker's CPU includes the model's. Medians of {run.size.rounds} interleaved rounds, share per round."
        ],
        figures={"bare": bare, "service": [one.per_second for one in drained], "share_percent": median(shares)},
    )


def _calibrated() -> int:
    """How many rounds of SHA-256 take 5 ms here: the fastest of several trials, which was disturbed least."""
    best = min(_time(TRIAL_ROUNDS) for _ in range(15))
    return int(TRIAL_ROUNDS * ITEM_MS / 1000 / best)


def _time(rounds: int) -> float:
    began = time.process_time()
    compute("calibrate", rounds)
    return time.process_time() - began


async def _bare(items: int, rounds: int) -> float:
    env = {**inherited(), "BUSY_ROUNDS": str(rounds)}
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "benchmarks.model",
            str(items // WORKERS),
            cwd=ROOT,
            env=env,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        for _ in range(WORKERS)
    ]
    for process in processes:
        assert process.stdout is not None  # noqa: S101
        if await process.stdout.readline() != b"ready\n":
            raise BenchmarkFailed("the bare model does not start")
    began = time.perf_counter()
    await asyncio.gather(*(process.communicate(b"go\n") for process in processes))
    return items / (time.perf_counter() - began)


async def _through_service(run: Run, rounds: int) -> Drained:
    await broker.delete_queues(run.place.amqp_url)
    more = {"BUSY_ROUNDS": str(rounds), "MODEL_ENVIRONMENT": "BUSY_ROUNDS"}
    async with (
        run.place.database() as database,
        service(run.place, database, apps=0, workers=WORKERS, models="busy", more=more) as running,
    ):
        async with run.place.session(database) as session:
            people = await add_people(session, 100)
        for worker in running.workers:
            worker.freeze()
        await submit(run.place, database, people, run.size.model_items, Busy.batch_size, model="busy")
        return await measure(run.place, database, run.size.model_items, running.workers)


def main() -> None:
    """One process of the bare model: load, wait for a line on stdin, compute, exit."""
    items = int(sys.argv[1])
    model = Busy()
    model.load()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for start in range(0, items, Busy.batch_size):
        model.predict([{"text": f"input {at}"} for at in range(start, min(items, start + Busy.batch_size))])
    os._exit(0)


if __name__ == "__main__":
    main()
