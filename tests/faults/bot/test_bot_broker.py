"""RabbitMQ is killed, or keeps results while no bot reads them: people wait, and lose nothing."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from engine.native.rabbitmq import RabbitNode
from tests.faults.bot.test_bot_dies import once
from tests.support.bot_world import BotProgram, World
from tests.support.nodes import evaluate, vhost_of

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("world", ["rabbitmq"], indirect=True),
]


def results(world: World, node: RabbitNode) -> tuple[int, int]:
    """Messages in the durable queue of results, and who reads it."""
    vhost = vhost_of(world.queue["AMQP_URL"])
    queue = f'rabbit_misc:r(<<{json.dumps(vhost)}>>, queue, <<"ml_results">>)'
    asked = "[{_, Messages}, {_, Readers}] = rabbit_amqqueue:info(Queue, [messages, consumers])"
    said = evaluate(node, f"{{ok, Queue}} = rabbit_amqqueue:lookup({queue}), {asked}, {{Messages, Readers}}.")
    messages, readers = (int(part) for part in said.strip("{}").split(","))
    return messages, readers


async def until_read(world: World, node: RabbitNode, wanted: tuple[bool, int]) -> None:
    """Wait until there are results or not, and so many readers; the broker's counts lag by seconds."""
    async with asyncio.timeout(60):
        while (((found := results(world, node))[0] > 0), found[1]) != wanted:
            await asyncio.sleep(0.2)


async def test_results_wait_while_the_bot_is_down(world: World, bot: BotProgram, rabbit_node: RabbitNode) -> None:
    anna = world.telegram.person()
    await anna.send("read at once")
    await anna.expect("read at once", method="editMessageText")
    await until_read(world, rabbit_node, (False, 1))
    worker = world.programs[1]
    worker.kill(signal.SIGSTOP)
    john = world.telegram.person()
    await john.send("read later")
    await john.expect("Got it")
    await bot.stop(signal.SIGKILL)
    worker.kill(signal.SIGCONT)
    await until_read(world, rabbit_node, (True, 0))
    await world.start(world.bot())
    await once(world, john, "read later")
    await until_read(world, rabbit_node, (False, 1))


@pytest.mark.usefixtures("bot")
async def test_the_broker_is_killed_while_people_ask(world: World, rabbit_node: RabbitNode) -> None:
    people = [world.telegram.person() for _ in range(4)]
    await people[0].send(f"asked {people[0].id}")
    await people[0].expect(f"asked {people[0].id}", method="editMessageText")
    await asyncio.to_thread(rabbit_node.kill)
    for person in people[1:]:
        await person.send(f"asked {person.id}")
        await person.expect("Got it")
    await asyncio.to_thread(rabbit_node.start, timeout_s=100)
    for person in people:
        await once(world, person, f"asked {person.id}")
