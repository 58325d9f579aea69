"""Memory of one worker and its echo process (PSS) over a million predictions: does it stay flat?"""

from __future__ import annotations

from datetime import UTC, datetime

from benchmarks import broker
from benchmarks.drain import BURST, TEXT, until_finished
from benchmarks.options import Run
from benchmarks.people import add_people, add_predictions
from benchmarks.place import Running, pss_bytes
from benchmarks.report import Bar, Report, number
from benchmarks.service import service
from engine.native.processes import tree
from ml_service.background.relay import task_messages
from ml_service.messaging.connect import connect_queue
from ml_service.storage.outbox import OutboxEntry

SAMPLES = 20


async def run(run: Run) -> Report:
    """Answer in twenty portions and read the memory after each."""
    place, total = run.place, run.size.memory_predictions
    portion = max(1, total // SAMPLES)
    await broker.delete_queues(place.amqp_url)
    seen: list[tuple[int, float]] = []
    async with place.database() as database, service(place, database, apps=0, workers=1) as running:
        worker = running.workers[0]
        queue = await connect_queue("rabbitmq", amqp_url=place.amqp_url, name="benchmark")
        async with place.session(database) as session:
            people = await add_people(session, 1000)
            seen.append((0, _mebibytes(worker)))
            for at in range(1, SAMPLES + 1):
                for start in range(0, portion, 10_000):
                    count = min(10_000, portion - start)
                    ids = await add_predictions(session, people, count, "echo", TEXT)
                    entries = [OutboxEntry(one, "default", "echo", "1", datetime.now(UTC)) for one in ids]
                    await queue.publish_tasks(task_messages(entries, lambda *_: BURST))
                    await until_finished(session)
                seen.append((at * portion, _mebibytes(worker)))
        await queue.close()
    return _report(seen)


def _mebibytes(worker: Running) -> float:
    return sum(map(pss_bytes, tree(worker.pid))) / 2**20


def _report(seen: list[tuple[int, float]]) -> Report:
    warm, last = seen[len(seen) // 10][1], seen[-1][1]
    shown = [seen[0], *seen[len(seen) // 10 :: max(1, len(seen) // 7)], seen[-1]]
    most = max(value for _, value in seen)
    return Report(
        title=f"memory: PSS of a worker and its echo process over {seen[-1][0]:,} predictions",
        columns=["predictions answered", "MiB"],
        rows=[[f"{count:,}", number(value)] for count, value in dict.fromkeys(shown)],
        bars=[Bar(f"{count:,}", value, ours=True) for count, value in dict.fromkeys(shown)],
        unit="MiB",
        notes=[f"Most {most:.1f} MiB; from the first tenth to the end {100 * (last / warm - 1):+.1f} %."],
        figures={"mebibytes": [value for _, value in seen], "most": most},
    )
