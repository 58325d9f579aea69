"""`kill -9` under load, one round of it; each process on its own is in tests/faults."""

from __future__ import annotations

import pytest

from tests.support.system import System
from tests.support.traffic import steady

pytestmark = pytest.mark.timeout(300)


async def test_killing_an_app_and_a_worker_loses_no_prediction(system: System) -> None:
    async with steady(system, "killed") as load:
        before = system.pids()
        for name in ("app-1", "worker-1"):
            system.kill(before[name])
        await load.progress()
    after = system.until_all_ready()
    assert {one["name"] for one in after["processes"] if one["restarts"]} >= {"app-1", "worker-1"}
