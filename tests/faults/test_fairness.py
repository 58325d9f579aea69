"""Many do not drown few: fairness between users, and bounds on what is accepted and held."""

from __future__ import annotations

import asyncio
import time
from statistics import median

import pytest

from tests.faults.checker import connected, violations
from tests.faults.load import Load
from tests.faults.rig import Setup, running_rig, until
from tests.faults.test_worker_faults import NAPS

pytestmark = pytest.mark.timeout(400)

BATCHES = 20
ITEMS = 1000
DELAY_MAX_S = 1.0


async def timed(load: Load) -> float:
    """Seconds until a single prediction of a user is answered, all of it."""
    request = load.new_request(user="boris")
    started = time.monotonic()
    answer = await load.post(request, headers={"Prefer": "wait=30"}, timeout=60)
    assert load.take(request, answer)
    assert answer.status_code == 200, answer.text
    return time.monotonic() - started


async def test_a_users_many_thousands_do_not_delay_anothers_one_by_more_than_a_second(noted_url: str) -> None:
    async with running_rig(noted_url, None) as rig:
        load = Load(rig.urls)
        await load.register()
        for user in load.users:
            await load.sign_in(rig.urls[0], user)
        alone = [await timed(load) for _ in range(20)]

        async def flood() -> None:
            for _ in range(BATCHES):
                await load.ask(load.new_request(user="anna", items=ITEMS))

        flooding = asyncio.create_task(flood())
        waiting = "SELECT count(*) FROM (SELECT FROM outbox WHERE bulk LIMIT $1) AS some"
        beside: list[float] = []
        async with connected(noted_url) as connection, asyncio.timeout(200):
            while not flooding.done() or await connection.fetchval(waiting, ITEMS):
                has_backlog = await connection.fetchval(waiting, 1)
                seconds = await timed(load)
                if has_backlog:
                    beside.append(seconds)
        await flooding
        assert len(beside) >= 5
        assert median(beside) < median(alone) + DELAY_MAX_S, (alone, beside)
        assert sorted(beside)[len(beside) * 9 // 10] < max(alone) + DELAY_MAX_S, (alone, beside)
        assert await violations(rig, load, drain_s=150) == []
        await load.close()


async def test_beyond_their_limits_the_service_refuses_in_good_form_and_recovers(noted_url: str) -> None:
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
async def test_a_worker_never_holds_more_than_a_few_batches(
    noted_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
    amqp_url = request.getfixturevalue("amqp_url") if backend == "rabbitmq" else None
    async with running_rig(noted_url, amqp_url, Setup(apps=1, models=NAPS)) as rig:
        load = Load(rig.urls)
        await load.register()
        asked = load.new_request(items=500, model="troublesome", text="!nap")
        assert await load.ask(asked)
        held = """
            SELECT worker_id, count(*) FROM predictions WHERE status = 'processing' GROUP BY worker_id
        """
        done = "SELECT count(*) FROM predictions WHERE finished_at IS NOT NULL"
        most: dict[str, int] = {}
        async with connected(noted_url) as connection, asyncio.timeout(60):
            while await connection.fetchval(done) < 128:
                for worker, count in await connection.fetch(held):
                    most[worker] = max(most.get(worker, 0), count)
                await asyncio.sleep(0.1)
        assert len(most) == len(rig.workers)  # and one does not take all
        assert max(most.values()) <= 3 * 64
        await until(lambda: all(worker.is_running for worker in rig.workers))
        assert await violations(rig, load) == []
        await load.close()
