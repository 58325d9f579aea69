"""A model that nobody asks gives its process back, and the next batch gets its answers all the same."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ml_service.runtime.host.model_folders import ModelSource
from ml_service.runtime.host.model_host import BatchStopped, ModelHost, ModelUnavailable
from ml_service.runtime.model_answers import Success
from tests.support import entities
from tests.support.hosts import QUICK, mine, running, troublesome
from tests.support.waiting import until

SLEEPY = replace(QUICK, idle_s=0.2)
BROKEN = mine("raise OSError('no such weights')")


async def answers(host: ModelHost, *texts: str) -> list[str]:
    found = await host.predict([json.dumps({"text": text}) for text in texts])
    assert all(isinstance(one, Success) for one in found), found
    return [json.loads(one.output_json)["text"] for one in found if isinstance(one, Success)]


async def asleep(host: ModelHost) -> None:
    await until(lambda: host.state == "sleeping")
    assert host.pids == []


async def test_an_idle_model_ends_its_process_and_the_next_batches_wake_it() -> None:
    async with running(troublesome(), SLEEPY) as host:
        pid = host.pid
        assert pid is not None
        await asleep(host)
        await until(lambda: not psutil.pid_exists(pid))
        found = await asyncio.gather(*(answers(host, f"{number}") for number in range(20)))
        assert found == [[f"{number}"] for number in range(20)]
        assert (host.state, host.deaths) == ("ready", 0)
        await asleep(host)
        assert await answers(host, "again") == ["again"]


async def test_a_model_does_not_sleep_while_a_batch_is_under_way() -> None:
    async with running(troublesome(), replace(QUICK, idle_s=0.05)) as host:
        batch = asyncio.create_task(host.predict([json.dumps({"text": "!nap"})] * 8))
        while not batch.done():
            assert host.state != "sleeping" or host.deaths == 0
            await asyncio.sleep(0.01)
        assert all(isinstance(one, Success) for one in await batch)
        assert host.deaths == 0


async def test_a_model_that_never_sleeps_is_loaded_at_once_even_lazily() -> None:
    host = ModelHost(troublesome(), QUICK)
    await host.start(lazily=True)
    await asyncio.sleep(0.5)
    assert (host.state, len(host.pids)) == ("ready", 1)
    await host.close()


async def test_a_lazy_model_is_known_before_it_is_loaded() -> None:
    host = ModelHost(troublesome(), replace(QUICK, idle_s=60))
    await host.start(lazily=True)
    assert (host.state, host.pids, host.spec.name) == ("sleeping", [], "troublesome")
    assert await answers(host, "hello") == ["hello"]
    assert (host.state, len(host.pids)) == ("ready", 1)
    await host.close()


async def test_a_lazy_model_whose_package_is_missing_says_so_before_it_is_asked() -> None:
    host = ModelHost(entities.source(), replace(QUICK, idle_s=60))
    await host.start(lazily=True)
    assert host.state == "failed"
    assert host.error == (
        "The package natasha, which carries weights of entities-ru, is not installed here: python3 start.py --restart "
        'installs it, in containers an image of your own has it (docs/models.md, "Packages").'
    )
    await host.close()


async def test_a_batch_that_is_stopped_while_its_model_wakes_does_not_reach_it() -> None:
    async with running(troublesome(), SLEEPY) as host:
        assert not host.stop_current()
        await asleep(host)
        batch = asyncio.create_task(host.predict(['{"text": "!hang"}']))
        await until(lambda: host.state == "loading")
        assert host.stop_current()
        assert not host.stop_current(), "it is stopped once"
        with pytest.raises(BatchStopped):
            await batch
        assert len(host.pids) == 1, "nothing was killed for a batch that had not begun"
        assert await answers(host, "next") == ["next"]


async def test_a_model_that_cannot_be_woken_says_why_and_nothing_is_lost(tmp_path: Path) -> None:
    file = tmp_path / "mine/model.py"
    file.parent.mkdir()
    file.write_text(BROKEN)
    host = ModelHost(ModelSource("mine", file), replace(QUICK, idle_s=60))
    await host.start(lazily=True)
    assert host.state == "sleeping"
    with pytest.raises(ModelUnavailable, match="no such weights"):
        await host.predict(["{}"])
    assert host.state == "failed"
    await host.close()
