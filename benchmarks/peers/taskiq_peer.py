"""Taskiq on aio-pika: many tasks at once in each worker process, acknowledged when done, a quorum queue.

python -m benchmarks.peers.taskiq_peer work | publish | serve
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import aio_pika
import asyncpg
import uvloop
from taskiq import TaskiqEvents, TaskiqState
from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver
from taskiq_aio_pika import AioPikaBroker
from taskiq_aio_pika.queue import Queue, QueueType

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

broker = AioPikaBroker(amqp_url(), qos=ASYNC_TASKS_MAX, task_queues=[Queue(name=TASKS, type=QueueType.QUORUM)])


def _channel() -> aio_pika.abc.AbstractChannel:
    assert broker.write_channel is not None  # noqa: S101  made by the broker's startup
    return broker.write_channel


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def start(state: TaskiqState) -> None:
    """Open what the tasks need."""
    state.pool = await asyncpg.create_pool(database_url(), min_size=10, max_size=10)


@broker.task(task_name="predict")
async def predict(prediction_id: str) -> None:
    """Do one prediction."""
    await work(broker.state.pool, prediction_id)
    message = aio_pika.Message(prediction_id.encode(), delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
    await _channel().default_exchange.publish(message, RESULTS)


async def _work() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    broker.is_worker_process = True
    # The receiver that `taskiq worker` runs in each of its processes, with the options of its command line.
    receiver = Receiver(
        broker,
        max_async_tasks=ASYNC_TASKS_MAX,
        max_prefetch=ASYNC_TASKS_MAX,
        validate_params=False,
        ack_type=AcknowledgeType.WHEN_EXECUTED,
        run_startup=False,
    )
    await broker.startup()
    await _channel().declare_queue(RESULTS, durable=True, arguments={"x-queue-type": "quorum"})
    await receiver.listen(stop)
    await broker.shutdown()


async def _publish() -> None:
    await broker.startup()
    ids = given_ids()
    for start_at in range(0, len(ids), 256):
        await asyncio.gather(*(predict.kiq(one) for one in ids[start_at : start_at + 256]))
    await broker.shutdown()


async def _send(prediction_id: str) -> None:
    await predict.kiq(prediction_id)


def main() -> None:
    """Be the worker, the publisher or the app."""
    jobs: dict[str, Any] = {"work": _work, "publish": _publish}
    if sys.argv[1] == "serve":
        serve_endpoint(endpoint(_send, broker.startup, broker.shutdown))
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(jobs[sys.argv[1]]())


if __name__ == "__main__":
    main()
