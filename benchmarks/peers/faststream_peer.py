"""FastStream on RabbitMQ: as many handlers at once as its prefetch, acknowledged when done, a quorum queue.

python -m benchmarks.peers.faststream_peer work | publish | serve
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import asyncpg
import uvloop
from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from faststream.rabbit.schemas.queue import QueueType

from benchmarks.peers import RESULTS, TASKS
from benchmarks.peers.common import (
    ASYNC_TASKS_MAX,
    amqp_url,
    database_url,
    endpoint,
    given_ids,
    serve_endpoint,
    work,
)

tasks, results = (RabbitQueue(name, queue_type=QueueType.QUORUM, durable=True) for name in (TASKS, RESULTS))
broker = RabbitBroker(amqp_url(), default_channel=Channel(prefetch_count=ASYNC_TASKS_MAX), logger=None)
app = FastStream(broker, logger=None)
_pools: list[asyncpg.Pool[asyncpg.Record]] = []


async def predict(prediction_id: str) -> None:
    """Do one prediction."""
    await work(_pools[0], prediction_id)
    await broker.publish(prediction_id, queue=RESULTS, persist=True)


async def _work() -> None:
    broker.subscriber(tasks, ack_policy=AckPolicy.NACK_ON_ERROR)(predict)
    await broker.connect()
    await broker.declare_queue(results)
    async with asyncpg.create_pool(database_url(), min_size=10, max_size=10) as pool:
        _pools.append(pool)
        await app.run()


async def _connect() -> None:
    await broker.connect()
    await broker.declare_queue(tasks)


async def _publish() -> None:
    await _connect()
    ids = given_ids()
    for start_at in range(0, len(ids), 256):
        await asyncio.gather(*(_send(one) for one in ids[start_at : start_at + 256]))
    await broker.stop()


async def _send(prediction_id: str) -> None:
    await broker.publish(prediction_id, queue=TASKS, persist=True)


def main() -> None:
    """Be the worker, the publisher or the app."""
    jobs: dict[str, Any] = {"work": _work, "publish": _publish}
    if sys.argv[1] == "serve":
        serve_endpoint(endpoint(_send, _connect, broker.stop))
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(jobs[sys.argv[1]]())


if __name__ == "__main__":
    main()
