"""Faults 16 to 21 and 23 of a worker and its models, with all of the service around them."""

from __future__ import annotations

import asyncio
import json
import signal
import time

import pytest

from engine.rabbitmq import RabbitNode
from tests.faults.checker import banking, connected, drained, rows_of, violations
from tests.faults.load import Load
from tests.faults.rig import Rig, Setup, running_rig, until
from tests.faults.test_publish_faults import under_load

pytestmark = pytest.mark.timeout(400)

NAPS = "echo,troublesome"
FINISHED = "ml_service.storage.predictions.finish@after"


async def napping(load: Load, singles: int = 30, batch: int = 30) -> None:
    """Ask for work that takes a tenth of a second an item."""
    asked = [load.new_request(model="troublesome", text="!nap") for _ in range(singles)]
    asked.append(load.new_request(model="troublesome", text="!nap", items=batch))
    assert all([await load.ask(request) for request in asked])


async def busy_worker(rig: Rig) -> int:
    """The place of a worker that is working just now."""
    async with connected(rig.owner_url) as connection, asyncio.timeout(60):
        while True:
            name = await connection.fetchval(
                "SELECT worker_id FROM predictions WHERE status = 'processing' AND model = 'troublesome' LIMIT 1"
            )
            if name:
                return int(name.split("-")[1]) - 1
            await asyncio.sleep(0.02)


async def kill_and_see_work_begun_again(rig: Rig, victim: int) -> float:
    """Kill a worker; returns after how many seconds all that it had begun is another's, or ended."""
    async with connected(rig.owner_url) as connection, asyncio.timeout(60):
        held = "SELECT id FROM predictions WHERE status = 'processing' AND worker_id LIKE $1"
        rig.workers[victim].kill()
        started = time.monotonic()
        ids = [row["id"] for row in await connection.fetch(held, f"worker-{victim + 1}-%")]
        assert ids
        again = "SELECT bool_and(worker_id NOT LIKE $2) FROM predictions WHERE id = ANY($1::uuid[])"
        while not await connection.fetchval(again, ids, f"worker-{victim + 1}-%"):
            await asyncio.sleep(0.05)
        return time.monotonic() - started


@pytest.mark.parametrize("backend", ["postgres", "rabbitmq"])
async def test_what_a_killed_worker_had_begun_is_begun_again_in_two_seconds(
    noted_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
    """Fault 16."""
    amqp_url = request.getfixturevalue("amqp_url") if backend == "rabbitmq" else None
    async with running_rig(noted_url, amqp_url, Setup(apps=1, models=NAPS)) as rig, banking(noted_url):
        load = Load(rig.urls, batch_share=0)
        await load.register()
        await napping(load)
        victim = await busy_worker(rig)
        started = await kill_and_see_work_begun_again(rig, victim)
        # The other one has up to some seconds of its own naps to finish first.
        assert started < 15
        await rig.workers[victim].restart()
        assert await violations(rig, load) == []
        assert {row["status"] for row in (await rows_of(noted_url)).values()} == {"succeeded"}
        await load.close()


@pytest.mark.parametrize("backend", ["postgres", "rabbitmq"])
async def test_a_worker_that_dies_between_commit_and_ack_charges_once(
    noted_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
    """Fault 17."""
    amqp_url = request.getfixturevalue("amqp_url") if backend == "rabbitmq" else None
    faults = [f"{FINISHED}=exit?{{folder}}/die"]
    async with under_load(noted_url, amqp_url, Setup(apps=1, faults={"worker-1": faults, "worker-2": faults})) as (
        rig,
        load,
    ):
        for _ in range(2):
            die = rig.arm("die")
            await until(lambda die=die: not die.exists())
            await until(lambda: not all(worker.is_running for worker in rig.workers))
            for worker in rig.workers:
                if not worker.is_running:
                    await worker.restart(worker.faults)
            await load.progress(10)


async def test_a_worker_that_wakes_after_its_lease_changes_nothing(noted_url: str) -> None:
    """Fault 18."""
    env = {"WORKER_LEASE_S": "3", "WORKER_HEARTBEAT_S": "1"}
    async with running_rig(noted_url, None, Setup(apps=1, models=NAPS, env=env)) as rig, banking(noted_url):
        load = Load(rig.urls, batch_share=0)
        await load.register()
        await napping(load)
        victim = await busy_worker(rig)
        rig.workers[victim].freeze()
        assert await drained(noted_url, 60)
        before = await rows_of(noted_url)
        rig.workers[victim].thaw()
        await until(lambda: "answers_dropped" in rig.workers[victim].log.read_text())
        assert await rows_of(noted_url) == before
        assert {row["status"] for row in before.values()} == {"succeeded"}
        assert await violations(rig, load) == []
        await load.close()


async def test_connections_to_the_broker_that_die_under_load_lose_nothing(
    noted_url: str, amqp_url: str, rabbit_node: RabbitNode
) -> None:
    """Fault 19."""
    async with under_load(noted_url, amqp_url, Setup(models=NAPS)) as (_, load):
        await napping(load)
        for _ in range(3):
            await asyncio.to_thread(rabbit_node.ctl, "close_all_connections", "injected")
            await load.progress(5)


@pytest.mark.parametrize("backend", ["postgres", "rabbitmq"])
async def test_a_deploy_in_mid_batch_ends_in_order_and_leaves_no_dead_letter(
    noted_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
    """Fault 20: each process is asked to stop and started again, one after the other."""
    amqp_url = request.getfixturevalue("amqp_url") if backend == "rabbitmq" else None
    async with under_load(noted_url, amqp_url, Setup(models=NAPS)) as (rig, load):
        await napping(load)
        for process in rig.processes:
            assert process.popen is not None
            started = time.monotonic()
            process.popen.send_signal(signal.SIGTERM)
            assert await process.until_ended(40) == 0
            assert time.monotonic() - started < 30
            await process.restart()
        await load.progress(10)


POISONS = {
    "!segfault": "model_crashed",
    "!exit": "model_crashed",
    "!hang": "model_timeout",
    "!eat": "model_out_of_memory",
}


async def test_a_poison_fails_alone_and_is_given_back_while_its_63_neighbours_succeed(noted_url: str) -> None:
    """Fault 21: each kind of poison in a batch of 64."""
    async with running_rig(noted_url, None, Setup(apps=1, models=NAPS)) as rig, banking(noted_url):
        load = Load(rig.urls)
        await load.register()
        for poison in POISONS:
            request = load.new_request(user="anna", model="troublesome", items=64)
            request.items[23]["input"]["text"] = poison
            assert await load.ask(request)
        assert await violations(rig, load) == []
        rows = await rows_of(noted_url)
        failed = {json.loads(row["input"])["text"]: row for row in rows.values() if row["status"] != "succeeded"}
        assert failed.keys() == POISONS.keys()
        assert len(rows) == 64 * len(POISONS)
        assert {row["status"] for row in failed.values()} == {"failed"}
        assert all(row["attempts"] <= 5 for row in rows.values())
        assert all(process.is_running for process in rig.processes)
        assert {text: row["error_code"] for text, row in failed.items()} == POISONS
        await load.close()


async def test_a_delivery_that_the_broker_takes_back_for_its_age_ends_once(
    noted_url: str, amqp_url: str, rabbit_node: RabbitNode
) -> None:
    """Fault 23: the broker's patience with an unacked delivery (30 minutes) is shorter than a batch."""
    eval_ = "application:set_env(rabbit, {}, {})."
    for name, value in (("consumer_timeout", "1500"), ("channel_tick_interval", "500")):
        await asyncio.to_thread(rabbit_node.ctl, "eval", eval_.format(name, value))
    try:
        async with running_rig(noted_url, amqp_url, Setup(apps=1, models=NAPS)) as rig:
            load = Load(rig.urls)
            await load.register()
            await napping(load, singles=3, batch=30)
            assert await violations(rig, load) == []
            assert rig.said("consumer_disconnected")
            assert {row["status"] for row in (await rows_of(noted_url)).values()} <= {"succeeded", "failed"}
            await load.close()
    finally:
        for name, value in (("consumer_timeout", "1800000"), ("channel_tick_interval", "60000")):
            await asyncio.to_thread(rabbit_node.ctl, "eval", eval_.format(name, value))
