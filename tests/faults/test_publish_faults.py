"""Faults of relay and broker, with all of the service around them."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from engine.native.rabbitmq import RabbitNode
from ml_service.messaging.messages import encode_tasks
from ml_service.messaging.queue import TaskMessage
from tests.support.broker import Broker
from tests.support.checker import banking, rows_of, violations
from tests.support.load import Load, loading
from tests.support.nodes import set_memory_limit, vhost_of
from tests.support.rig import Rig, Setup, running_rig, started
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(400)

MARK = "ml_service.background.relay.Relay._delete@before"
SETTLED_S = 2.0
"""RabbitMQ saves its register of quorum queues twice a second: killed sooner, it does not find a new one again."""


@asynccontextmanager
async def under_load(
    noted_url: str, amqp_url: str | None, setup: Setup | None = None
) -> AsyncIterator[tuple[Rig, Load]]:
    """A loaded rig; when the block has ended everything drains, and all invariants hold."""
    async with running_rig(noted_url, amqp_url, setup) as rig:
        async with loading(Load(rig.urls)) as load, banking(noted_url):
            await asyncio.sleep(SETTLED_S if amqp_url else 0)
            yield rig, load
        assert await violations(rig, load) == []


async def test_a_relay_that_dies_between_confirm_and_delete_sends_twice_and_charges_once(noted_url: str) -> None:
    faults = [f"{MARK}=exit?{{folder}}/die"]
    setup = Setup(workers=1, faults={"app-1": faults, "app-2": faults}, env={"RESEND_AFTER_S": "1"})
    async with under_load(noted_url, None, setup) as (rig, load):
        for _ in range(2):
            die = rig.arm("die")
            await until(lambda die=die: not die.exists())
            for app in rig.apps:
                if not app.is_running:
                    await app.restart(app.faults)
            await load.progress(10)


async def test_two_sweepers_at_once_do_no_harm(noted_url: str) -> None:
    """Nothing is sent at once, both apps sweep and feed everything."""
    faults = ["mutation=nothing is sent at once", "mutation=everybody leads"]
    env = {"RESEND_AFTER_S": "0.3"}
    async with under_load(noted_url, None, Setup(faults={"app-1": faults, "app-2": faults}, env=env)) as (rig, load):
        await load.progress(60)
        assert all(process.is_running for process in rig.processes)


async def test_requests_while_the_broker_is_down_are_accepted_and_done_later(
    noted_url: str, amqp_url: str, rabbit_node: RabbitNode
) -> None:
    async with under_load(noted_url, amqp_url) as (_, load):
        await asyncio.to_thread(rabbit_node.stop)
        await load.progress(40)
        await started(rabbit_node)


async def test_killing_the_broker_under_load_loses_nothing(
    noted_url: str, amqp_url: str, rabbit_node: RabbitNode
) -> None:
    async with under_load(noted_url, amqp_url) as (_, load):
        rabbit_node.kill()
        await started(rabbit_node)
        await load.progress(20)


async def test_the_api_answers_while_the_broker_is_frozen(
    noted_url: str, amqp_url: str, rabbit_node: RabbitNode
) -> None:
    """Longer than all heartbeats."""
    async with under_load(noted_url, amqp_url) as (_, load):
        rabbit_node.freeze()
        try:
            for _ in range(5):
                await asyncio.sleep(5)
                await load.progress(5, timeout_s=10)
        finally:
            rabbit_node.resume()


async def test_a_broker_alarm_does_not_stop_submissions(noted_url: str, amqp_url: str, rabbit_node: RabbitNode) -> None:
    async with under_load(noted_url, amqp_url) as (_, load):
        await asyncio.to_thread(set_memory_limit, rabbit_node, 0.000001)
        try:
            await load.progress(30)
            await asyncio.sleep(7)  # a publish that is blocked gives up
            await load.progress(10)
        finally:
            await asyncio.to_thread(set_memory_limit, rabbit_node, 0.6)


async def test_tasks_that_a_full_queue_refuses_are_sent_when_there_is_room(
    noted_url: str, amqp_url: str, rabbit_node: RabbitNode
) -> None:
    env = {"RESEND_AFTER_S": "1"}
    async with under_load(noted_url, amqp_url, Setup(workers=1, env=env)) as (rig, load):
        policy = ("set_policy", "-p", vhost_of(amqp_url), "full", "^ml_tasks$", '{"max-length":3}')
        await asyncio.to_thread(rabbit_node.ctl, *policy, "--apply-to", "queues")
        rig.workers[0].freeze()
        try:
            await load.progress(40)
            await until(lambda: rig.said("the queue is full"))
        finally:
            rig.workers[0].thaw()
        await until(lambda: rig.said("predictions_resent"))
        await asyncio.to_thread(rabbit_node.ctl, "clear_policy", "-p", vhost_of(amqp_url), "full")


async def lose_queue(rig: Rig, node: RabbitNode) -> None:
    """The task queue is deleted."""
    del node
    await Broker("rabbitmq", str(rig.amqp_url), None).lose_queue()  # type: ignore[arg-type]


async def lose_all(rig: Rig, node: RabbitNode) -> None:
    """The broker is killed and its whole volume is gone."""
    del rig
    node.kill()
    shutil.rmtree(node.folder / "mnesia")
    await started(node)


@pytest.mark.parametrize("lose", [lose_queue, lose_all])
async def test_tasks_lost_with_the_queue_are_sent_again(
    noted_url: str, amqp_url: str, rabbit_node: RabbitNode, lose: Callable[..., object]
) -> None:
    # The slow way to notice is out of reach: only the news of the new queue can help.
    setup = Setup(models="echo,troublesome", workers=1, env={"LOST_AFTER_S": "10000", "RESEND_AFTER_S": "2"})
    async with under_load(noted_url, amqp_url, setup) as (rig, load):
        waiting = [load.new_request(model="troublesome", text="!nap", items=40) for _ in range(4)]
        assert all([await load.ask(request) for request in waiting])
        waiting = [load.new_request(model="troublesome", text="!nap") for _ in range(40)]
        assert all([await load.ask(request) for request in waiting])
        await lose(rig, rabbit_node)
        await load.progress(20)


@pytest.mark.parametrize("backend", ["postgres", "rabbitmq"])
async def test_malformed_and_repeated_messages_become_dead_letters_or_are_ignored(
    noted_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
    amqp_url = request.getfixturevalue("amqp_url") if backend == "rabbitmq" else None
    broker = Broker(backend, amqp_url or noted_url, None)  # type: ignore[arg-type]
    strange = [
        "",
        "{",
        "[]",
        "null",
        '{"model":"echo"}',
        "\U0001f600",
        '{"ids":["x"],"model":"echo","pool":"default"}',
    ]
    async with running_rig(noted_url, amqp_url, Setup(apps=1)) as rig:
        async with loading(Load(rig.urls)) as load, banking(noted_url):
            queue = await broker.queue()
            known = [row["id"] for row in (await rows_of(noted_url)).values()][:10]
            for body in strange:
                await broker.publish_raw(body)
                await broker.publish_raw(body, results=True)
            await queue.publish_tasks([TaskMessage("default", "echo", "1", (uuid4(),)) for _ in range(20)])
            await queue.publish_tasks([TaskMessage("default", "echo", "1", tuple(known))] * 100)
            again = encode_tasks(TaskMessage("default", "echo", "1", (*known, *known))).decode()
            await broker.publish_raw(again)
            await queue.close()
            await load.progress(10)
        assert await violations(rig, load, dead=len(strange)) == []
        assert all(process.is_running for process in rig.processes)
