"""The app process that leads is frozen: another one does its duties, and nothing is done twice when it wakes."""

from __future__ import annotations

import json

import pytest

from tests.support.checker import banking, drained, violations
from tests.support.load import Load
from tests.support.rig import RigProcess, Setup, running_rig

pytestmark = pytest.mark.timeout(400)


def elected_at(app: RigProcess) -> str:
    """When it was last elected, empty: never."""
    elected = [json.loads(line) for line in app.log.read_text().splitlines() if '"leader_elected"' in line]
    return str(elected[-1]["timestamp"]) if elected else ""


@pytest.mark.parametrize("backend", ["postgres", "rabbitmq"])
async def test_batches_are_fed_though_the_leader_is_frozen(
    request: pytest.FixtureRequest, noted_url: str, backend: str
) -> None:
    amqp_url = None if backend == "postgres" else request.getfixturevalue("amqp_url")
    async with running_rig(noted_url, amqp_url, Setup(apps=2, workers=1)) as rig:
        load = Load(rig.urls)
        await load.register()
        assert await load.ask(load.new_request(items=50))
        assert await drained(noted_url)
        leader = max(rig.apps, key=elected_at)
        (other,) = [url for app, url in zip(rig.apps, rig.urls, strict=True) if app is not leader]
        async with banking(noted_url):
            leader.freeze()
            load.urls = [other]
            for _ in range(5):
                assert await load.ask(load.new_request(items=100))
            assert await drained(noted_url, 60), "nobody feeds them"
            leader.thaw()
            load.urls = rig.urls
            for _ in range(5):
                assert await load.ask(load.new_request(items=100))
        assert await violations(rig, load) == []
        await load.close()
