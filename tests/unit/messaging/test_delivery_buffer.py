"""The buffer: batches are gathered as they are asked for."""

from __future__ import annotations

import asyncio

from ml_service.messaging.delivery_buffer import DeliveryBuffer


async def test_what_is_there_comes_at_once_and_in_order() -> None:
    buffer: DeliveryBuffer[int] = DeliveryBuffer()
    for number in range(5):
        buffer.put(number)
    assert await buffer.get_batch(3, 1000, None) == [0, 1, 2]
    assert await buffer.get_batch(3, 0, None) == [3, 4]


async def test_a_bounded_buffer_keeps_the_newest() -> None:
    buffer: DeliveryBuffer[int] = DeliveryBuffer(messages_max=2)
    for number in range(5):
        buffer.put(number)
    assert await buffer.get_batch(10, 0, None) == [3, 4]


async def test_a_cancelled_wait_leaves_everything() -> None:
    buffer: DeliveryBuffer[int] = DeliveryBuffer()
    waiting = asyncio.create_task(buffer.get_batch(10, 10_000, None))
    buffer.put(1)
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert await buffer.get_batch(10, 0, None) == [1]


async def test_time_runs_out_empty_handed() -> None:
    buffer: DeliveryBuffer[int] = DeliveryBuffer()
    assert await buffer.get_batch(10, 0, 0.01) == []


async def test_a_fetched_buffer_is_asked_again_and_never_for_more_than_is_wanted() -> None:
    buffer: DeliveryBuffer[int] = DeliveryBuffer()
    asked: list[int] = []

    async def fetch(count: int) -> float:
        asked.append(count)
        if len(asked) > 1:
            buffer.put(len(asked))
        return 0.01

    assert await buffer.get_batch(2, 1000, None, fetch) == [2, 3]
    assert asked == [2, 2, 1]
