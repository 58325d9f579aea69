"""The queue contract: what nobody can work on is kept, shown, and can be sent again."""

from __future__ import annotations

import asyncio

import pytest
from pamqp import commands

from engine.rabbitmq import RabbitNode
from ml_service.messaging import DeadLetter, Queue
from ml_service.messaging.amqp import open_connection
from ml_service.messaging.queue import DEAD_LETTERS
from tests.contract.broker import Broker, consuming, drain, ids, task

GARBAGE = [
    "",
    "not json",
    "[]",
    "{}",
    '{"v": 2, "pool": "default", "model": "echo", "ids": []}',
    '{"v": 1, "pool": "default", "model": "echo", "ids": ["1"]}',
    '{"v": 1, "pool": "a b", "model": "echo", "ids": ["00000000-0000-0000-0000-000000000000"]}',
    "[" * 20_000,
]


async def dead(queue: Queue, number: int, seconds: float = 10) -> list[DeadLetter]:
    """The dead letters, as soon as there are ``number``: the broker moves them in its own time."""
    async with asyncio.timeout(seconds):
        while len(letters := await queue.dead_letters()) < number:
            await asyncio.sleep(0.05)
    return letters


async def test_what_cannot_be_decoded_is_dead_and_never_reaches_the_consumer(broker: Broker, queue: Queue) -> None:
    for body in GARBAGE:
        await broker.publish_raw(body)
    good = task()
    await queue.publish_tasks([good])
    async with consuming(queue) as consumer:
        (delivery,) = await drain(consumer, 1)
        assert delivery.message == good
        letters = await dead(queue, len(GARBAGE))
    assert sorted(letter.body for letter in letters) == sorted(GARBAGE)
    assert all(letter.message is None and letter.reason.startswith("undecodable") for letter in letters)


async def test_what_is_rejected_is_kept_with_its_reason(queue: Queue) -> None:
    await queue.publish_tasks([task(2), task()])
    async with consuming(queue) as consumer:
        first = await consumer.get_batch(1, 0)
        await consumer.reject(first[0], "no such model")
        assert len(await drain(consumer, 1)) == 1
        (letter,) = await dead(queue, 1)
    assert (letter.message, letter.reason) == (first[0].message, "no such model")
    assert [one.id for one in await queue.dead_letters()] == [letter.id]
    assert (await queue.depth("default")).ready == 0


async def test_dead_letters_are_discarded_by_id_or_all(queue: Queue) -> None:
    await queue.publish_tasks([task() for _ in range(4)])
    async with consuming(queue) as consumer:
        for delivery in await consumer.get_batch(4, 500):
            await consumer.reject(delivery, "a test")
    letters = await dead(queue, 4)
    assert await queue.discard_dead([letters[1].id, "unknown"]) == 1
    assert [letter.id for letter in await dead(queue, 3)] == [letters[0].id, letters[2].id, letters[3].id]
    assert await queue.discard_dead() == 3
    assert await queue.dead_letters() == []


@pytest.mark.parametrize("by_id", [True, False])
async def test_dead_letters_are_sent_again_and_undecodable_ones_stay(
    broker: Broker, queue: Queue, *, by_id: bool
) -> None:
    await broker.publish_raw("garbage")
    await queue.publish_tasks([task(2)])
    async with consuming(queue) as consumer:
        (delivery,) = await consumer.get_batch(1, 0)
        await consumer.reject(delivery, "a test")
        letters = await dead(queue, 2)
        assert await queue.replay_dead([letter.id for letter in letters] if by_id else None) == 1
        assert ids(await drain(consumer, 1)) == list(delivery.message.ids)
    assert [letter.body for letter in await queue.dead_letters()] == ["garbage"]


async def test_a_missing_dead_letter_queue_loses_no_dead_letter(rabbit_node: RabbitNode, amqp_url: str) -> None:
    broker = Broker("rabbitmq", amqp_url, rabbit_node)
    queue = await broker.queue()
    await queue.declare()
    connection = await open_connection(amqp_url, name="stranger")
    channel = await connection.open_channel()
    await channel.call(commands.Queue.Delete(queue=DEAD_LETTERS))
    await connection.close()
    await broker.publish_raw("garbage")
    good = task()
    await queue.publish_tasks([good])
    async with consuming(queue) as consumer:
        assert [one.message for one in await drain(consumer, 1)] == [good]
    assert await queue.declare() is False  # no task was lost
    assert [letter.body for letter in await dead(queue, 1, seconds=40)] == ["garbage"]
    await queue.close()
