"""The queue contract: results reach every live reader, and are kept for the durable one."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from ml_service.messaging.queue import RESULTS, Queue, ResultMessage
from tests.support.broker import FAST, Broker, results
from tests.support.waiting import PATIENCE_S, until


async def test_every_live_reader_gets_every_result(broker: Broker, queue: Queue) -> None:
    other = await broker.queue()
    message = results(3)
    async with queue.consume_results(None) as one, other.consume_results(None) as two:
        await until(lambda: one.connected and two.connected and one.connections == two.connections == 1)
        await asyncio.sleep(0.1)
        await queue.publish_results(message)
        for reader in (one, two):
            (delivery,) = await reader.get_batch(10, 0, timeout_s=PATIENCE_S)
            assert delivery.message == message
            await reader.ack([delivery])


async def test_a_live_reader_hears_nothing_of_before(queue: Queue) -> None:
    await queue.publish_results(results())
    async with queue.consume_results(None) as reader:
        await until(lambda: reader.connected)
        assert await reader.get_batch(10, 0, timeout_s=0.3) == []


async def test_results_of_a_large_batch_arrive_whole(queue: Queue) -> None:
    message = results(500)
    async with queue.consume_results(None) as reader:
        await until(lambda: reader.connected)
        await asyncio.sleep(0.1)
        await queue.publish_results(message)
        seen: list = []
        async with asyncio.timeout(PATIENCE_S):
            while len(seen) < 500:
                seen += [one for delivery in await reader.get_batch(100, 0) for one in delivery.message.results]
        assert ResultMessage(tuple(seen)) == message


async def test_results_are_kept_while_nobody_reads(queue: Queue) -> None:
    messages = [results() for _ in range(5)]
    for message in messages:
        await queue.publish_results(message)
    async with queue.consume_results(RESULTS) as reader:
        kept = await reader.get_batch(5, 20_000)
        assert [delivery.message for delivery in kept] == messages
        await reader.ack(kept[:3])
    async with queue.consume_results(RESULTS) as reader:
        left = await reader.get_batch(2, 20_000)
        assert [delivery.message for delivery in left] == messages[3:]
        assert all(delivery.redelivered for delivery in left)
        await reader.ack(left)


async def test_kept_results_are_bounded_and_the_newest_stay(broker: Broker) -> None:
    queue = await broker.queue(replace(FAST, results_max=5))
    await queue.declare()
    messages = [results() for _ in range(20)]
    for message in messages[:-1]:
        await queue.publish_results(message)
    queue._trimmed_at = -1e9  # it is done every few seconds
    await queue.publish_results(messages[-1])
    async with queue.consume_results(RESULTS) as reader:
        kept = await reader.get_batch(5, 20_000)
        assert await reader.get_batch(1, 0, timeout_s=0.3) == []
    assert [delivery.message for delivery in kept] == messages[-5:]


async def test_a_result_that_is_none_is_ignored(broker: Broker, queue: Queue) -> None:
    await broker.publish_raw("garbage", results=True)
    message = results()
    async with queue.consume_results(RESULTS) as reader:
        await queue.publish_results(message)
        (delivery,) = await reader.get_batch(10, 0, timeout_s=PATIENCE_S)
        assert delivery.message == message
        await reader.ack([delivery])
    async with queue.consume_results(RESULTS) as reader:
        assert await reader.get_batch(10, 0, timeout_s=0.3) == []
