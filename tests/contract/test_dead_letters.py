"""The queue contract: what nobody can work on is kept, shown, and can be sent again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from pamqp import commands

from engine.native.rabbitmq import RabbitNode
from ml_service.domain.errors import QueueUnavailable
from ml_service.messaging.queue import (
    DEAD_LETTERS,
    LETTERS_BYTES_MAX,
    NO_SUCH_LETTER,
    DeadLetter,
    Handled,
    Queue,
    TaskConsumer,
    TaskMessage,
)
from ml_service.messaging.rabbitmq.backend import RabbitQueue
from ml_service.messaging.rabbitmq.dead_letters import REASON
from tests.support.broker import Broker, consuming, drain, ids, stranger, task
from tests.support.waiting import PATIENCE_S

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


NO_IDS = ["0", "007", "-1", "", "x", "1.0", "٣", "9" * 19, "9" * 5000, "a-1"]
"""Texts that name no dead letter on either backend."""


async def dead(queue: Queue, number: int, seconds: float = PATIENCE_S) -> list[DeadLetter]:
    """The dead letters, as soon as there are ``number``: the broker moves them in its own time."""
    async with asyncio.timeout(seconds):
        while len(letters := await queue.dead_letters()) < number:
            await asyncio.sleep(0.05)
    return letters


async def test_an_undecodable_message_becomes_a_dead_letter_and_reaches_no_consumer(
    broker: Broker, queue: Queue
) -> None:
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


async def test_a_rejected_message_is_kept_with_its_reason(queue: Queue) -> None:
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
        for delivery in await consumer.get_batch(4, 20_000):
            await consumer.reject(delivery, "a test")
    letters = await dead(queue, 4)
    handled = await queue.discard_dead([letters[1].id, *NO_IDS])
    assert (handled.done, handled.skipped, handled.reasons) == (1, len(NO_IDS), dict.fromkeys(NO_IDS, NO_SUCH_LETTER))
    assert [letter.id for letter in await dead(queue, 3)] == [letters[0].id, letters[2].id, letters[3].id]
    assert await queue.discard_dead() == Handled(done=3)
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
        handled = await queue.replay_dead([*(letter.id for letter in letters), *NO_IDS] if by_id else None)
        (garbage,) = [letter for letter in letters if letter.body == "garbage"]
        missing = dict.fromkeys(NO_IDS, NO_SUCH_LETTER) if by_id else {}
        assert handled == Handled(1, 1 + len(missing), {garbage.id: garbage.reason} | missing)
        assert ids(await drain(consumer, 1)) == list(delivery.message.ids)
    assert [letter.body for letter in await queue.dead_letters()] == ["garbage"]


async def test_a_list_of_dead_letters_is_bounded_in_bytes_and_each_can_be_found(broker: Broker, queue: Queue) -> None:
    bodies = [f"{number} " + "x" * 400_000 for number in range(25)]
    for body in bodies:
        await broker.publish_raw(body)
    async with consuming(queue) as consumer, asyncio.timeout(60):
        while await queue.count_dead() < len(bodies):
            assert await consumer.get_batch(1, 0, timeout_s=0.1) == []
    letters = await queue.dead_letters()
    size = sum(len(letter.body) for letter in letters)
    assert LETTERS_BYTES_MAX - 500_000 < size < LETTERS_BYTES_MAX + 500_000
    assert len(letters) < len(bodies)
    async with asyncio.timeout(10):  # RabbitMQ counts those that were shown a moment later
        while await queue.count_dead() != len(bodies):
            await asyncio.sleep(0.05)
    found = await queue.dead_letter(letters[-1].id)
    assert found is not None
    assert found.body == letters[-1].body
    assert [await queue.dead_letter(one) for one in NO_IDS] == [None] * len(NO_IDS)


async def test_many_dead_letters_are_replayed_and_each_is_counted(queue: Queue) -> None:
    number = 230
    await queue.publish_tasks([task() for _ in range(number)])
    async with consuming(queue, prefetch=number) as consumer:
        taken: list = []
        while len(taken) < number:
            batch = await consumer.get_batch(number, 50)
            for delivery in batch:
                await consumer.reject(delivery, "a test")
            taken += batch
        async with asyncio.timeout(20):
            while await queue.count_dead() < number:
                await asyncio.sleep(0.1)
        assert await queue.replay_dead() == Handled(done=number)
        assert sorted(ids(await drain(consumer, number))) == sorted(ids(taken))
    assert await queue.count_dead() == 0


async def rejected(queue: Queue, number: int) -> None:
    """So many dead letters that can be replayed."""
    await queue.publish_tasks([task() for _ in range(number)])
    async with consuming(queue, prefetch=number) as consumer:
        await reject_some(consumer, number)
        await dead(queue, number)


async def reject_some(consumer: TaskConsumer, number: int) -> None:
    """Take so many messages, and reject them."""
    left = number
    while left:
        for delivery in await consumer.get_batch(left, 50):
            await consumer.reject(delivery, "a test")
            left -= 1


@pytest.mark.slow
async def test_a_long_replay_is_finished_and_keeps_no_other_request_waiting(
    rabbit_node: RabbitNode, amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = await Broker("rabbitmq", amqp_url, rabbit_node).queue()
    assert isinstance(queue, RabbitQueue)
    await queue.declare()
    await rejected(queue, 3)
    monkeypatch.setattr("ml_service.messaging.rabbitmq.backend.DEAD_LETTERS_TIMEOUT_S", 1.0)
    is_replaying = asyncio.Event()
    publish = queue.publish_tasks

    async def publish_slowly(messages: Sequence[TaskMessage]) -> None:
        await publish(messages)
        is_replaying.set()
        await asyncio.sleep(0.6)

    monkeypatch.setattr(queue, "publish_tasks", publish_slowly)
    replaying = asyncio.create_task(queue.replay_dead())
    await is_replaying.wait()
    with monkeypatch.context() as impatient:
        impatient.setattr(queue, "_limits", replace(queue._limits, timeout_s=0.5))
        await queue.depth("default")
    assert not replaying.done()
    assert await replaying == Handled(done=3)
    assert (await queue.depth("default")).ready == 3
    assert await queue.dead_letters() == []
    await queue.close()


async def test_a_replay_that_breaks_off_says_how_many_were_sent(queue: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    await rejected(queue, 5)
    left = 3

    async def fail_at_the_fourth(do: Any, *args: Any, **named: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise QueueUnavailable("The broker is away.")
        return await do(*args, **named)

    if isinstance(queue, RabbitQueue):
        monkeypatch.setattr(queue, "publish_tasks", partial(fail_at_the_fourth, queue.publish_tasks))
    else:
        for module in ("backend", "dead_letters"):
            monkeypatch.setattr(f"ml_service.messaging.postgres.{module}.PAGE", 1)
        monkeypatch.setattr(queue._connection, "run", partial(fail_at_the_fourth, queue._connection.run))
    with pytest.raises(QueueUnavailable, match="before: 3; the others are left"):
        await queue.replay_dead()
    left = 99
    async with asyncio.timeout(PATIENCE_S):
        while await queue.count_dead() != 2:
            await asyncio.sleep(0.05)


async def test_letters_that_die_again_meanwhile_are_replayed_once(
    rabbit_node: RabbitNode, amqp_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = await Broker("rabbitmq", amqp_url, rabbit_node).queue()
    await queue.declare()
    await rejected(queue, 3)
    publish = queue.publish_tasks

    async def publish_to_die(messages: Sequence[TaskMessage]) -> None:
        await publish(messages)
        async with consuming(queue) as consumer:
            await reject_some(consumer, len(messages))
        await asyncio.sleep(0.2)

    monkeypatch.setattr(queue, "publish_tasks", publish_to_die)
    assert await queue.replay_dead() == Handled(done=3)
    await dead(queue, 3)
    await queue.close()


NOT_DEATHS = ["nonsense", 7, [], ["x"], [7], {"reason": "x"}, [{"reason": 5, "time": "yesterday"}], [{}], None]


async def test_headers_of_strangers_hide_no_dead_letter(rabbit_node: RabbitNode, amqp_url: str) -> None:
    broker = Broker("rabbitmq", amqp_url, rabbit_node)
    queue = await broker.queue()
    await queue.declare()
    publish = commands.Basic.Publish(exchange="", routing_key=DEAD_LETTERS)
    async with stranger(amqp_url, confirms=True) as channel:
        for death in NOT_DEATHS:
            headers: dict[str, Any] = {"x-death": death, REASON: death}
            await channel.publish_one(publish, commands.Basic.Properties(headers=headers), b"garbage", PATIENCE_S)
    letters = await dead(queue, len(NOT_DEATHS))
    assert [letter.body for letter in letters] == ["garbage"] * len(NOT_DEATHS)
    assert (await queue.replay_dead()).done == 0
    assert (await queue.discard_dead()).done == len(NOT_DEATHS)
    await queue.close()


async def test_a_missing_dead_letter_queue_loses_no_dead_letter(rabbit_node: RabbitNode, amqp_url: str) -> None:
    broker = Broker("rabbitmq", amqp_url, rabbit_node)
    queue = await broker.queue()
    await queue.declare()
    async with stranger(amqp_url) as channel:
        await channel.call(commands.Queue.Delete(queue=DEAD_LETTERS), PATIENCE_S)
    await broker.publish_raw("garbage")
    good = task()
    await queue.publish_tasks([good])
    async with consuming(queue) as consumer:
        assert [one.message for one in await drain(consumer, 1)] == [good]
    assert await queue.declare() is False  # no task was lost
    assert [letter.body for letter in await dead(queue, 1, seconds=40)] == ["garbage"]
    await queue.close()
