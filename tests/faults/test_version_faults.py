"""Versions of a model are rolled under load, and one that nobody serves any more."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from ml_service.storage import models
from tests.support.checker import banking, broken_rows, connected, drained, rows_of, violations
from tests.support.load import loading
from tests.support.rig import Rig, RigProcess, Setup, running_rig
from tests.support.rolling_model import DEFAULT, RollingLoad, write_model
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(400)

BULK_LINES = 3_000
BACKENDS = pytest.mark.parametrize("backend", ["postgres", "rabbitmq"])


@asynccontextmanager
async def rolling_rig(
    url: str, backend: str, request: pytest.FixtureRequest, *, faults: dict[str, list[str]] | None = None, **env: str
) -> AsyncIterator[tuple[Rig, dict[int, str]]]:
    """An app and two workers that serve version 1, and the folders of both versions."""
    amqp_url = request.getfixturevalue("amqp_url") if backend == "rabbitmq" else None
    folder = request.getfixturevalue("tmp_path")
    folders = {version: write_model(folder, version) for version in (1, 2)}
    setup = Setup(
        apps=1,
        models="rolling",
        env={"DEFAULT_MODEL": "rolling", "MODELS_FOLDER": folders[1], "WORKER_HEARTBEAT_S": "1", **env},
        faults=faults or {},
    )
    async with running_rig(url, amqp_url, setup) as rig:
        yield rig, folders


async def serve(worker: RigProcess, folder: str) -> None:
    """Restart a worker in good order, with the models of another folder."""
    assert worker.popen is not None
    worker.popen.terminate()
    assert await worker.until_ended() == 0
    worker.env["MODELS_FOLDER"] = folder
    await worker.restart(worker.faults)


async def ends(url: str) -> Counter[tuple[str, str, str | None]]:
    """How many predictions of each version ended how."""
    return Counter((row["version"], row["status"], row["error_code"]) for row in (await rows_of(url)).values())


@BACKENDS
async def test_workers_are_rolled_to_another_schema_and_nothing_fails(
    noted_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
    async with rolling_rig(noted_url, backend, request) as (rig, folders):
        async with loading(RollingLoad(rig.urls, pause_s=0.1)) as load, banking(noted_url):
            load.versions = [1, DEFAULT]
            await serve(rig.workers[0], folders[2])
            load.versions = [1, 2, DEFAULT]  # both are served now, by a worker each
            await load.progress(40)
            await promote(noted_url, "2")
            await load.progress(20)
            await promote(noted_url, "1")
            await load.progress(20)
            await promote(noted_url, "2")
            load.versions = [2, DEFAULT]
            await serve(rig.workers[1], folders[2])
            await load.progress(20)
            await serve(rig.workers[1], folders[1])  # what is left of version 1 has waited for it
        assert await violations(rig, load) == []
        ended = await ends(noted_url)
        assert set(ended) == {("1", "succeeded", None), ("2", "succeeded", None)}
        assert min(ended.values()) > 10
        asked_by_name = {id_ for one in load.requests if one.items[0]["model"] == "rolling" for id_ in one.ids}
        versions = {row["version"] for row in (await rows_of(noted_url)).values() if str(row["id"]) in asked_by_name}
        assert versions == {"1", "2"}


@BACKENDS
async def test_what_was_accepted_keeps_its_version_and_price_while_the_default_one_changes(
    noted_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
    async with rolling_rig(noted_url, backend, request) as (rig, folders):
        await serve(rig.workers[0], folders[2])
        load = RollingLoad(rig.urls, pause_s=0.05, versions=[DEFAULT])
        await load.register()
        headers = await load.sign_in(rig.urls[0], "anna")
        lines = b"".join(
            json.dumps({"input": {"text": str(one), "n": one}}).encode() + b"\n" for one in range(BULK_LINES)
        )
        headers["Content-Type"] = "application/x-ndjson"
        async with loading(load), banking(noted_url), httpx2.AsyncClient(timeout=60) as client:
            answer = await client.post(f"{rig.urls[0]}/bulk?model=rolling", content=lines, headers=headers)
            assert answer.status_code == 202, answer.text
            for version in ("2", "1", "2", "1", "2"):
                await promote(noted_url, version)
                await until_asked(noted_url, version, answer.json()["bulk_id"])
                await load.progress(25)
            async with connected(noted_url) as connection, asyncio.timeout(90):
                while await connection.fetchval("SELECT count(*) FROM bulk_jobs WHERE finished_at IS NULL"):
                    await asyncio.sleep(0.1)
        assert await drained(noted_url)
        assert await broken_rows(noted_url) == []
        assert load.complaints == []
        rows = await rows_of(noted_url)
        assert {row["status"] for row in rows.values()} == {"succeeded"}
        assert {(row["version"], row["cost"]) for row in rows.values()} == {("1", 1), ("2", 2)}
        of_job = [row for row in rows.values() if str(row["batch_id"]) == answer.json()["bulk_id"]]
        assert (len(of_job), {row["version"] for row in of_job}) == (BULK_LINES, {"1"})


async def promote(url: str, version: str) -> None:
    """Make a version the default one, as an operator does."""
    async with connected(url) as connection:
        assert await models.promote(connection, "rolling", version)


async def until_asked(url: str, version: str, bulk_id: str) -> None:
    """Wait until the newest prediction that is none of a bulk job is for a version: apps hear of a new default one."""
    newest = "SELECT version FROM predictions WHERE batch_id IS DISTINCT FROM $1::uuid ORDER BY id DESC LIMIT 1"
    async with connected(url) as connection, asyncio.timeout(60):
        while await connection.fetchval(newest, bulk_id) != version:
            await asyncio.sleep(0.05)


async def waiting_for_version_1(rig: Rig, folders: dict[int, str], number: int = 20) -> RollingLoad:
    """Have requests for version 1 accepted that no worker serves any more, and version 2 answers beside them."""
    load = RollingLoad(rig.urls)
    await load.register()
    for worker in rig.workers:
        await serve(worker, folders[2])
    asked = [load.new_request() for _ in range(number)] + [load.new_request(items=10)]
    assert all([await load.ask(one) for one in asked])
    load.versions = [2]
    assert all([await load.ask(load.new_request()) for _ in range(number)])
    return load


async def until_answered(url: str, number: int) -> None:
    """Wait until version 2 has answered so many."""
    async with asyncio.timeout(60):
        while (await ends(url))["2", "succeeded", None] < number:
            await asyncio.sleep(0.1)


@BACKENDS
async def test_predictions_wait_for_their_version_and_succeed_when_it_is_back(
    noted_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
    async with rolling_rig(noted_url, backend, request) as (rig, folders):
        load = await waiting_for_version_1(rig, folders)
        await until_answered(noted_url, 20)
        assert (await ends(noted_url))["1", "queued", None] == 30
        await serve(rig.workers[0], folders[1])
        assert await violations(rig, load) == []
        assert await ends(noted_url) == {("1", "succeeded", None): 30, ("2", "succeeded", None): 20}
        await load.close()


@BACKENDS
async def test_predictions_of_a_version_that_is_gone_fail_and_are_refunded(
    noted_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
    async with rolling_rig(noted_url, backend, request, VERSION_GONE_S="8") as (rig, folders):
        load = await waiting_for_version_1(rig, folders)
        assert await violations(rig, load) == []
        assert await ends(noted_url) == {("1", "failed", "version_gone"): 30, ("2", "succeeded", None): 20}
        await load.close()


@pytest.mark.parametrize("off", [[], ["mutation=a claim takes any version"]], ids=["by version", "any version"])
async def test_without_the_version_in_claims_an_input_reaches_another_version(
    noted_url: str, request: pytest.FixtureRequest, off: list[str]
) -> None:
    faults = {"worker-1": off, "worker-2": off}
    async with rolling_rig(noted_url, "postgres", request, faults=faults) as (rig, folders):
        load = RollingLoad(rig.urls)
        await load.register()
        rig.workers[1].kill()
        rig.workers[0].freeze()
        assert all([await load.ask(load.new_request()) for _ in range(5)])
        async with connected(noted_url) as connection:
            mislabeled = """UPDATE queue_messages SET body = replace(body, '"version":"1"', '"version":"2"')"""
            await until_sent(connection)
            await connection.execute(mislabeled)
        rig.workers[0].kill()
        rig.workers[0].env["MODELS_FOLDER"] = folders[2]
        await rig.workers[0].restart(off)
        await asyncio.sleep(3)
        ended = await ends(noted_url)
        assert any(status == "failed" for _, status, _ in ended) is bool(off), ended
        await load.close()


async def until_sent(connection: object) -> None:
    """Wait until the outbox is empty."""
    async with asyncio.timeout(30):
        while await connection.fetchval("SELECT count(*) FROM outbox"):  # type: ignore[attr-defined]
            await asyncio.sleep(0.05)


async def test_without_the_version_watch_what_nobody_serves_waits_forever(
    noted_url: str, request: pytest.FixtureRequest
) -> None:
    faults = {"app-1": ["mutation=no version is watched"]}
    async with rolling_rig(noted_url, "postgres", request, faults=faults, VERSION_GONE_S="2") as (rig, folders):
        load = await waiting_for_version_1(rig, folders, 5)
        found = await violations(rig, load, drain_s=8)
        assert any(one.startswith("4 unfinished") for one in found), found
        await load.close()


async def test_a_version_with_another_schema_is_refused_and_shown(
    noted_url: str, request: pytest.FixtureRequest
) -> None:
    async with rolling_rig(noted_url, "postgres", request) as (rig, folders):
        code = request.getfixturevalue("tmp_path") / "models-2/rolling/model.py"
        code.write_text(code.read_text().replace('version = "2"', 'version = "1"'))
        worker = rig.workers[0]
        worker.kill()
        worker.env["MODELS_FOLDER"] = folders[2]
        worker.start()
        await until(lambda: rig.said("model_refused"))
        load = RollingLoad(rig.urls)
        await load.register()
        assert all([await load.ask(load.new_request()) for _ in range(10)])
        worker.kill()
        assert set(await ends(noted_url)) <= {
            ("1", "succeeded", None),
            ("1", "queued", None),
            ("1", "processing", None),
        }
        await load.close()


@BACKENDS
async def test_predictions_follow_their_model_to_the_workers_of_another_pool(
    noted_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
    async with rolling_rig(noted_url, backend, request) as (rig, _):
        usual, of_pool = rig.workers
        for worker in rig.workers:
            assert worker.popen is not None
            worker.popen.terminate()
            assert await worker.until_ended() == 0
        load = RollingLoad(rig.urls)
        await load.register()
        asked = [load.new_request() for _ in range(20)] + [load.new_request(items=10)]
        assert all([await load.ask(one) for one in asked])  # into the queue of the pool default
        usual.env |= {"MODELS": "echo,rolling", "MODELS_LEFT_OUT": "rolling"}
        of_pool.env |= {"MODELS": "rolling", "MODELS_LEFT_OUT": "rolling", "WORKER_POOL": "gpu"}
        await asyncio.gather(usual.restart(), of_pool.restart())
        # The worker of the pool does not consume the usual queue.
        assert [one for one in await violations(rig, load) if one != "9 1 consumers of 2"] == []
        async with connected(noted_url) as connection:
            done = await connection.fetch("SELECT DISTINCT status, split_part(worker_id, '-', 2) FROM predictions")
        assert [tuple(row) for row in done] == [("succeeded", "2")]
        await load.close()
