"""The queue alone, without database rows or models: messages per second and CPU per message, one process.

Both backends publish task messages, all confirmed, then consume and acknowledge them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from uuid import uuid4

from benchmarks import broker
from benchmarks.options import Run
from benchmarks.report import Bar, Report, number
from ml_service.messaging.connect import connect_queue
from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import Queue, TaskMessage

BURST = 2000
PREFETCH = 512
IDS = (1, 64)
BACKENDS = {"RabbitMQ": "rabbitmq", "PostgreSQL": "postgres"}
Figures = tuple[float, float, float, float]
"""Published and consumed per second, CPU microseconds of a message published and consumed."""


async def run(run: Run) -> Report:
    """Measure both backends with 1 and with 64 ids per message."""
    found: dict[str, list[Figures]] = {}
    for _ in range(run.size.rounds):
        for shown, backend in BACKENDS.items():
            await broker.delete_queues(run.place.amqp_url)
            async with run.place.database() as database:
                url = run.place.postgres.dsn(database)
                queue = await connect_queue(backend, amqp_url=run.place.amqp_url, database_url=url, name="benchmark")
                await queue.declare()
                for ids in IDS:
                    name = f"{shown}, {ids} ids per message"
                    found.setdefault(name, []).append(await _measure(queue, ids, run.size.backlog))
                await queue.close()
    medians = {name: [median(column) for column in zip(*results, strict=True)] for name, results in found.items()}
    return Report(
        title=f"queue: {run.size.backlog:,} task messages, one process publishes, then consumes",
        columns=["", "published/s", "consumed/s", "µs to publish", "µs to consume"],
        rows=[[name, *map(number, figures)] for name, figures in medians.items()],
        bars=[Bar(name, figures[1], ours=True) for name, figures in medians.items()],
        unit="consumed/s",
        notes=[f"µs of this process's CPU per message. Medians of {run.size.rounds} rounds."],
        figures=medians,
    )


async def _measure(queue: Queue, ids: int, count: int) -> Figures:
    messages = [TaskMessage("default", "echo", "1", tuple(uuid4() for _ in range(ids))) for _ in range(count)]
    publishing = _watch(count)
    for start in range(0, count, BURST):
        await queue.publish_tasks(messages[start : start + BURST])
    published = publishing()
    async with queue.consume_tasks(["default"], Prefetch(PREFETCH, 1)) as consumer:
        consuming = _watch(count)
        taken = 0
        while taken < count:
            batch = await consumer.get_batch(PREFETCH // 2, 0)
            taken += len(batch)
            await consumer.ack(batch)
        consumed = consuming()
    return published[0], consumed[0], published[1], consumed[1]


def _watch(count: int) -> Callable[[], tuple[float, float]]:
    """Start counting; the returned function gives the rate per second and the CPU µs per message."""
    wall, cpu = time.perf_counter(), time.process_time()
    return lambda: (count / (time.perf_counter() - wall), (time.process_time() - cpu) / count * 1e6)
