"""Bounds on what is accepted, and what one user's heaps of work may mean to another."""

from __future__ import annotations

import asyncio
from statistics import median

import asyncpg
import pytest

from tests.support.checker import violations
from tests.support.load import Load
from tests.support.rig import Setup, running_rig

pytestmark = pytest.mark.timeout(400)


async def test_the_service_refuses_overload_with_a_problem_and_recovers(noted_url: str) -> None:
    env = {"QUEUED_PREDICTIONS_MAX": "150", "OPEN_PREDICTIONS_PER_USER_MAX": "20"}
    async with running_rig(noted_url, None, Setup(workers=1, env=env)) as rig:
        load = Load(rig.urls)
        await load.register()
        await load.ask(load.new_request(user="anna"))
        rig.workers[0].freeze()
        codes = set()
        for _ in range(40):
            request = load.new_request(user="anna")
            answer = await load.post(request)
            load.take(request, answer)
            codes.add((answer.status_code, answer.json().get("code")))
        assert (429, "too_many_queued") in codes
        request = load.new_request(user="anna", items=100)  # a batch does not count as singles do
        assert load.take(request, await load.post(request))
        await asyncio.sleep(1.5)
        request = load.new_request(user="boris", items=60)
        answer = await load.post(request)
        assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
        assert int(answer.headers["retry-after"]) >= 1
        rig.workers[0].thaw()
        assert await load.ask(request)
        load.requests = [one for one in load.requests if one.ids]
        assert await violations(rig, load) == []
        await load.close()


@pytest.mark.parametrize("backend", ["postgres", "rabbitmq"])
async def test_a_single_prediction_does_not_wait_behind_another_users_backlog(
    request: pytest.FixtureRequest, noted_url: str, backend: str
) -> None:
    amqp_url = None if backend == "postgres" else request.getfixturevalue("amqp_url")
    # 100,000 predictions of 5 ms: four minutes of work for two workers, in batches of a third of a second.
    env = {"MODELS": "slow", "DEFAULT_MODEL": "slow"}
    async with running_rig(noted_url, amqp_url, Setup(models="slow", env=env)) as rig:
        load = Load(rig.urls, model="slow")
        await load.register()
        for _ in range(100):
            assert await load.ask(load.new_request(user="anna", items=1000))
        await asyncio.sleep(3)  # until the queue is as full as it gets
        took_ms = []
        for _ in range(12):
            single = load.new_request(user="boris")
            answer = await load.post(single, headers={"Prefer": "wait=30"})
            assert answer.status_code == 200
            took_ms.append(answer.json()["timings"]["total_ms"])
            await asyncio.sleep(0.15)
        connection = await asyncpg.connect(noted_url)
        left = await connection.fetchval("SELECT count(*) FROM predictions WHERE finished_at IS NULL")
        await connection.close()
        await load.close()
    assert left > 50_000, "there was no heap to wait behind"
    assert median(took_ms) < 1000, took_ms
    assert max(took_ms) < 2000, took_ms  # twice as much: two cores, and other tests on them
