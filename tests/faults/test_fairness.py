"""Bounds on what is accepted."""

from __future__ import annotations

import asyncio

import pytest

from tests.faults.checker import violations
from tests.faults.load import Load
from tests.faults.rig import Setup, running_rig

pytestmark = pytest.mark.timeout(400)


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
