"""How a worker hands its tasks on."""

from __future__ import annotations

import asyncio

from ml_service.messaging.connect import connect_queue
from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import TaskMessage
from ml_service.storage import workers
from ml_service.storage.database import Database
from services.ml_worker.pool import PoolConsumer
from tests.support.broker import task
from tests.support.play import Play
from tests.support.rig import role_url


async def test_a_worker_goes_on_after_a_task_that_it_could_not_hand_on(play: Play) -> None:
    queue = await connect_queue("postgres", database_url=play.url)
    database = await Database.connect(role_url(play.url, "worker"), name="worker")
    pool = PoolConsumer("default", queue, database, 2)
    async with play.database.autocommit() as session:
        await session.execute("REVOKE UPDATE ON model_versions FROM ml_service_worker")
    await pool.start(8)
    await queue.publish_tasks([task()])
    async with asyncio.timeout(20):
        while not await requeued(play):
            await asyncio.sleep(0.05)
    async with play.database.autocommit() as session:
        await session.execute("GRANT UPDATE ON model_versions TO ml_service_worker")
    async with asyncio.timeout(20):
        while (depth := await queue.depth("default")).ready or depth.unacked:  # until it is parked
            await asyncio.sleep(0.05)
    await pool.drain()
    await pool.close()
    await queue.close()
    await database.close()


async def test_a_copy_that_a_worker_passes_on_takes_no_prediction_from_the_worker_that_computes_it(play: Play) -> None:
    async with play.database.own_connection(play.url, "lock") as own:
        await workers.hold_lock(own, 1)
        await play.beat(own)
        await play.submit(play.submission())
        assert len(await play.claim(*play.ids)) == 1
        queue = await connect_queue("postgres", database_url=play.url)
        pool = PoolConsumer("default", queue, play.database, 2)
        await pool.start(8)
        await queue.publish_tasks([TaskMessage("default", "echo", "1", tuple(play.ids))])
        async with asyncio.timeout(20):
            while not await requeued(play):
                await asyncio.sleep(0.05)
        await pool.drain()
        await pool.close()
        async with queue.consume_tasks(["default"], Prefetch(100)) as consumer:
            [copy] = await consumer.get_batch(1, 0)
            assert await play.claim(*copy.message.ids, worker="worker-2", redelivered=copy.redelivered) == []
        await queue.close()


async def requeued(play: Play) -> int:
    """How many messages rest before they come again."""
    async with play.database.autocommit() as session:
        found = await session.fetchval("SELECT count(*) FROM queue_messages WHERE visible_at > enqueued_at")
    return int(found)
