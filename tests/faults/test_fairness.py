"""Bounds on what is accepted, and what one user's heaps of work may mean to another."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.checker import connected, violations
from tests.support.load import Load
from tests.support.rig import Setup, running_rig
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.timeout(600)

SENT_MAX = 1000
"""The feed window (`background/feed_window.py`) of two workers that end 400 predictions a second in batches of 64: 256,
or one and a half looks' work, which is more only where a look takes longer than 0.4 s."""
HEAP = """
    SELECT count(*) FILTER (WHERE o.prediction_id IS NULL) AS sent, count(o.prediction_id) AS waiting
    FROM predictions AS p LEFT JOIN outbox AS o ON o.prediction_id = p.id
    WHERE p.finished_at IS NULL AND p.user_id = (SELECT id FROM users WHERE username = 'anna')"""


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
        async with asyncio.timeout(PATIENCE_S):  # an app counts now and then, and accepts by its last count
            while True:
                request = load.new_request(user="boris", items=60)
                answer = await load.post(request)
                if not load.take(request, answer):
                    break
                await asyncio.sleep(0.1)
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
        for _ in range(12):
            async with connected(noted_url) as connection:
                heap = await connection.fetchrow(HEAP)
            assert heap["waiting"] > SENT_MAX, "there was no heap to wait behind"
            assert heap["sent"] <= SENT_MAX, "what a single prediction waits behind"
            single = load.new_request(user="boris")
            answer = await load.post(single, headers={"Prefer": "wait=30"})
            assert answer.status_code == 200, answer.text
            await asyncio.sleep(0.15)
        await load.close()
