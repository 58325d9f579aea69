"""Messages per second and CPU per message of a queue backend, one process: publish, then consume.

    python benchmarks/queue_throughput.py rabbitmq amqp://…
    python benchmarks/queue_throughput.py postgres postgresql://…

Use a virtual host or a database of its own: whatever is in the queue is consumed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from uuid import uuid4

from ml_service.messaging import Queue, TaskMessage, connect_queue

BURST = 2000


async def measure(queue: Queue, ids_per_message: int, messages_number: int) -> None:
    """Print one line for messages of this size."""
    messages = [
        TaskMessage("default", "echo", tuple(uuid4() for _ in range(ids_per_message))) for _ in range(messages_number)
    ]
    wall, cpu = time.perf_counter(), time.process_time()
    for start in range(0, messages_number, BURST):
        await queue.publish_tasks(messages[start : start + BURST])
    published = time.perf_counter() - wall, time.process_time() - cpu
    wall, cpu = time.perf_counter(), time.process_time()
    taken = 0
    async with queue.consume_tasks(["default"], 512) as consumer:
        while taken < messages_number:
            batch = await consumer.get_batch(256, 0)
            taken += len(batch)
            await consumer.ack(batch)
    consumed = time.perf_counter() - wall, time.process_time() - cpu
    parts = [
        f"{what} {messages_number / seconds:8,.0f}/s {cpu_s / messages_number * 1e6:6.1f} µs CPU"
        for what, (seconds, cpu_s) in (("publish", published), ("consume", consumed))
    ]
    print(f"{ids_per_message:3} ids per message: {'; '.join(parts)}")


async def main(backend: str, url: str) -> None:
    """Measure with 1 and with 64 ids per message."""
    where = {"amqp_url": url} if backend == "rabbitmq" else {"database_url": url}
    queue = await connect_queue(backend, **where)
    await queue.declare()
    await measure(queue, 1, 20_000)
    await measure(queue, 64, 5_000)
    await queue.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
