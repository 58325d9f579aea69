"""Faults of a worker and its models, with all of the service around them."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path
from uuid import UUID

import httpx2
import pytest

from engine.native.processes import signal_all, tree
from engine.native.rabbitmq import RabbitNode
from ml_service.messaging.queue import QueueLimits
from tests.faults.test_publish_faults import under_load
from tests.support.checker import banking, connected, drained, rows_of, violations
from tests.support.load import Load
from tests.support.misbehaviours import MISBEHAVIOURS, SUCCESS, UNLOADABLE
from tests.support.nodes import evaluate, vhost_of
from tests.support.rig import Rig, Setup, running_rig
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.timeout(400)

NAPS = "echo,troublesome"
FINISHED = "ml_service.storage.finishing.finish@after"


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


async def freeze_busy_worker(rig: Rig) -> tuple[int, list[UUID]]:
    """Freeze a worker that has something to do; its place, and what it holds once its last statements have ended."""
    held = "SELECT id FROM predictions WHERE status = 'processing' AND worker_id LIKE $1"
    async with connected(rig.owner_url) as connection, asyncio.timeout(PATIENCE_S):
        while True:
            victim = await busy_worker(rig)
            rig.workers[victim].freeze()
            await asyncio.sleep(0.3)
            if ids := [row["id"] for row in await connection.fetch(held, f"worker-{victim + 1}-%")]:
                return victim, ids
            rig.workers[victim].thaw()


async def kill_and_see_work_begun_again(rig: Rig) -> tuple[int, float]:
    """Kill a worker that holds something; its place, and after how many seconds all of that is another's, or ended."""
    victim, ids = await freeze_busy_worker(rig)
    process = rig.workers[victim].popen
    assert process is not None
    started_by_it = tree(process.pid)[1:]
    rig.workers[victim].kill()
    started = time.monotonic()
    signal_all(started_by_it, signal.SIGCONT)
    again = "SELECT bool_and(finished_at IS NOT NULL OR worker_id NOT LIKE $2) FROM predictions WHERE id = ANY($1)"
    async with connected(rig.owner_url) as connection, asyncio.timeout(PATIENCE_S):
        while not await connection.fetchval(again, ids, f"worker-{victim + 1}-%"):
            await asyncio.sleep(0.05)
    return victim, time.monotonic() - started


@pytest.mark.parametrize("backend", ["postgres", "rabbitmq"])
async def test_work_of_a_killed_worker_restarts_within_two_seconds(
    noted_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
    amqp_url = request.getfixturevalue("amqp_url") if backend == "rabbitmq" else None
    async with running_rig(noted_url, amqp_url, Setup(apps=1, models=NAPS)) as rig, banking(noted_url):
        load = Load(rig.urls, batch_share=0)
        await load.register()
        await napping(load)
        victim, started = await kill_and_see_work_begun_again(rig)
        # The other one has up to some seconds of its own naps to finish first.
        assert started < QueueLimits().lease_s, "a killed worker's lease is not waited for"
        await rig.workers[victim].restart()
        assert await violations(rig, load) == []
        assert {row["status"] for row in (await rows_of(noted_url)).values()} == {"succeeded"}
        await load.close()


@pytest.mark.parametrize("backend", ["postgres", "rabbitmq"])
async def test_a_worker_that_dies_between_commit_and_ack_charges_once(
    noted_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
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
    """Without its look at who still wants a batch, which would stop the model before its late answer."""
    env = {"WORKER_LEASE_S": "3", "WORKER_HEARTBEAT_S": "1"}
    blind = ["ml_service.storage.predictions.open_among@before=sleep:600"]
    setup = Setup(apps=1, models=NAPS, env=env, faults={"worker-1": blind, "worker-2": blind})
    async with running_rig(noted_url, None, setup) as rig, banking(noted_url):
        load = Load(rig.urls, batch_share=0)
        await load.register()
        await napping(load)
        victim, _ = await freeze_busy_worker(rig)
        assert await drained(noted_url, PATIENCE_S)
        before = await rows_of(noted_url)
        rig.workers[victim].thaw()
        await until(lambda: "answers_dropped" in rig.workers[victim].log.read_text())
        assert await rows_of(noted_url) == before
        assert {row["status"] for row in before.values()} == {"succeeded"}
        assert await violations(rig, load) == []
        await load.close()


def close_connections(node: RabbitNode, vhost: str) -> int:
    """The broker closes all connections to a virtual host, and says how many there were."""
    found = f"rabbit_connection_tracking:list(<<{json.dumps(vhost)}>>)"
    close = 'rabbit_connection_tracking:close_connections(Them, "injected", 0)'
    return int(evaluate(node, f"Them = {found}, {close}, length(Them)."))


async def test_broker_connections_that_die_under_load_lose_nothing(
    noted_url: str, amqp_url: str, rabbit_node: RabbitNode
) -> None:
    vhost = vhost_of(amqp_url)
    async with under_load(noted_url, amqp_url, Setup(models=NAPS)) as (_, load):
        await napping(load)
        for _ in range(3):
            assert await asyncio.to_thread(close_connections, rabbit_node, vhost) > 0
            await load.progress(5)


@pytest.mark.parametrize("backend", ["postgres", "rabbitmq"])
async def test_a_deploy_during_a_batch_drains_and_leaves_no_dead_letter(
    noted_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
    """Each process is asked to stop and started again, one after the other."""
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


async def test_a_poison_input_fails_alone_and_is_refunded_while_63_neighbours_succeed(noted_url: str) -> None:
    """Each kind of poison in a batch of 64."""
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


async def known_models(rig: Rig) -> dict[str, str]:
    """The models that can be asked, and those that cannot be loaded with their reason."""
    async with httpx2.AsyncClient(timeout=60) as client:
        listed = (await client.get(f"{rig.urls[0]}/models")).json()
    return {model["name"]: "" for model in listed["items"]} | {one["name"]: one["reason"] for one in listed["broken"]}


async def test_misbehaving_models_harm_no_neighbour_and_each_is_named(noted_url: str, tmp_path: Path) -> None:
    """One worker serves a third of the table at once; `tests/integration/runtime` tries each row alone."""
    some = [one for one in MISBEHAVIOURS[::3] if one.deed != "return {'text': b'bad'}"]
    for one in some:
        (tmp_path / one.model).mkdir()
        (tmp_path / one.model / "model.py").write_bytes(one.source)
    names = ",".join(["echo", *(one.model for one in some)])
    # The default model is one that cannot be loaded: the worker is ready all the same.
    broken = next(one.model for one in some if one.code == UNLOADABLE)
    env = {"MODELS_FOLDER": str(tmp_path), "DEFAULT_MODEL": broken}
    setup = Setup(apps=1, workers=1, models=names, env=env)
    async with running_rig(noted_url, None, setup) as rig, banking(noted_url):
        load = Load(rig.urls)
        await load.register()
        async with asyncio.timeout(240):
            while not {one.model for one in some} <= (known := await known_models(rig)).keys():
                await asyncio.sleep(0.5)
        for one in some:
            if one.code == UNLOADABLE:
                assert one.says in known[one.model]
                continue
            request = load.new_request(user="anna", model=one.model, items=3)
            request.items[1]["input"]["text"] = "bad"
            assert await load.ask(request)
            assert await load.ask(load.new_request(user="boris", model="echo"))
        assert await violations(rig, load) == []
        assert all(process.is_running for process in rig.processes)
        expected = {one.model: one.code for one in some}
        for row in (await rows_of(noted_url)).values():
            is_bad = json.loads(row["input"])["text"] == "bad" and expected[row["model"]] != SUCCESS
            assert row["status"] == ("failed" if is_bad else "succeeded"), dict(row)
            assert row["error_code"] == (expected[row["model"]] if is_bad else None), dict(row)
        await load.close()


async def test_a_delivery_that_the_broker_times_out_ends_once(
    noted_url: str, amqp_url: str, rabbit_node: RabbitNode
) -> None:
    """The broker's patience with an unacked delivery (30 minutes) is shorter than a batch."""

    def be_patient(consumer_timeout_ms: int, look_every_ms: int) -> None:
        for name, value in (("consumer_timeout", consumer_timeout_ms), ("channel_tick_interval", look_every_ms)):
            evaluate(rabbit_node, f"application:set_env(rabbit, {name}, {value}).")

    be_patient(1500, 500)
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
        be_patient(1_800_000, 60_000)
