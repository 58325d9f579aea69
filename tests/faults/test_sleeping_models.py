"""Models that sleep and wake between requests: nothing fails, nothing is lost, and everybody can see it."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from tests.support.checker import violations
from tests.support.load import Load
from tests.support.rig import Rig, Setup, running_rig

pytestmark = pytest.mark.timeout(400)


async def asleep(rig: Rig) -> None:
    """Wait until the default model sleeps in all workers, and `/models` says so."""
    async with httpx2.AsyncClient(base_url=rig.urls[0]) as client, asyncio.timeout(90):
        while True:
            shown = (await client.get("/models/echo")).json()
            if (shown["state"], shown["is_live"]) == ("sleeping", True):
                return
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("backend", ["postgres", "rabbitmq"])
async def test_requests_wake_the_default_model_and_none_of_them_fails(
    noted_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
    amqp_url = request.getfixturevalue("amqp_url") if backend == "rabbitmq" else None
    setup = Setup(apps=1, env={"MODEL_IDLE_S": "0.5", "WORKER_HEARTBEAT_S": "0.5"})
    async with running_rig(noted_url, amqp_url, setup) as rig:
        load = Load(rig.urls)
        await load.register()
        for _ in range(3):
            await asleep(rig)
            asked = [load.new_request() for _ in range(20)] + [load.new_request(items=20)]
            assert all([await load.ask(one) for one in asked])
        assert await violations(rig, load) == []
        assert rig.said("model_wakes")
        await load.close()
