"""A bulk job while its processes, its database and its broker are killed one after the other."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import Any

import httpx2
import psutil
import pytest

from engine.native.postgres import PostgresNode
from engine.native.rabbitmq import RabbitNode
from ml_service.storage.database import UNAVAILABLE
from tests.support.checker import banking, broken_rows, connected
from tests.support.load import Load
from tests.support.rig import Rig, Setup, running_rig, started

pytestmark = pytest.mark.timeout(600)

LINES = 20_000
KILL_EVERY_S = 0.5
GROWTH_BYTES_MAX = 80_000_000


async def sent(client: httpx2.AsyncClient, url: str, headers: dict[str, str]) -> str:
    async def content() -> Any:
        for start in range(0, LINES, 500):
            lines = ({"id": f"ref-{one}", "input": {"text": f"line {one}"}} for one in range(start, start + 500))
            yield b"".join(json.dumps(line).encode() + b"\n" for line in lines)

    answer = await client.post(
        f"{url}/bulk", content=content(), headers={**headers, "Content-Type": "application/x-ndjson"}
    )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["bulk_id"])


async def job_of(rig: Rig, bulk_id: str) -> Any:
    async with connected(rig.owner_url) as connection:
        return await connection.fetchrow("SELECT * FROM bulk_jobs WHERE id = $1::uuid", bulk_id)


def rss(rig: Rig) -> int:
    return max(psutil.Process(one.popen.pid).memory_info().rss for one in rig.apps if one.popen)


async def kill_each_process(rig: Rig) -> None:
    for process in rig.processes:
        process.kill()  # and started again, as a supervisor does, which is not waited for
        process.start()
        await asyncio.sleep(KILL_EVERY_S)
    for process in rig.processes:
        await process.until_ready()


async def kill_each_node(rig: Rig, *nodes: PostgresNode | RabbitNode) -> None:
    """No process of ours is started again by hand."""
    pids = [process.popen.pid for process in rig.processes if process.popen]
    for node in nodes:
        node.kill()
        await asyncio.sleep(KILL_EVERY_S)
        await started(node)
        await asyncio.sleep(1)
    assert [process.popen.pid for process in rig.processes if process.popen] == pids
    assert all(process.is_running for process in rig.processes)


async def finished(rig: Rig, bulk_id: str) -> Any:
    """The job, once it has ended; a database that has just come back may refuse once more."""
    async with asyncio.timeout(240):
        while True:
            with suppress(*UNAVAILABLE):
                job = await job_of(rig, bulk_id)
                if job["finished_at"] is not None:
                    return job
            await asyncio.sleep(0.2)


async def check_results(url: str, bulk_id: str, headers: dict[str, str]) -> None:
    """Each line once, in the order of the file, with its own answer."""
    line = 0
    async with (
        httpx2.AsyncClient(timeout=120) as client,
        client.stream("GET", f"{url}/bulk/{bulk_id}/results", headers=headers) as answer,
    ):
        async for text in answer.aiter_lines():
            found = json.loads(text)
            assert (found["line"], found["id"], found["status"]) == (line + 1, f"ref-{line}", "succeeded")
            assert found["output"]["text"] == f"line {line}"
            line += 1
    assert line == LINES


@pytest.mark.parametrize(("backend", "what"), [("postgres", "processes"), ("postgres", "nodes"), ("rabbitmq", "nodes")])
async def test_each_line_of_a_bulk_job_ends_once_whatever_is_killed(
    noted_url: str, backend: str, what: str, request: pytest.FixtureRequest
) -> None:
    amqp_url = request.getfixturevalue("amqp_url") if backend == "rabbitmq" else None
    names = ("postgres_node", "rabbit_node") if backend == "rabbitmq" else ("postgres_node",)
    async with running_rig(noted_url, amqp_url, Setup(apps=2, workers=2)) as rig:
        load = Load(rig.urls)
        await load.register()
        headers = await load.sign_in(rig.urls[0], "anna")
        before = rss(rig)
        async with httpx2.AsyncClient(timeout=120) as client, banking(rig.owner_url) as bank:
            bulk_id = await sent(client, rig.urls[0], headers)
            assert rss(rig) - before < GROWTH_BYTES_MAX
            if what == "processes":
                await kill_each_process(rig)
            else:
                await kill_each_node(rig, *(request.getfixturevalue(name) for name in names))
            job = await finished(rig, bulk_id)
            assert bank.snapshots > 0
        assert job["started_at"] is not None
        assert (job["status"], job["succeeded"], job["failed"]) == ("finished", LINES, 0)
        await check_results(rig.urls[-1], bulk_id, headers)
        assert await broken_rows(rig.owner_url) == []
        async with connected(rig.owner_url) as connection:
            assert await connection.fetchval("SELECT sum(balance) FROM users") == 3 * 100_000 - LINES
        await load.close()


async def test_singles_of_others_do_not_wait_for_a_bulk_job(noted_url: str) -> None:
    async with running_rig(noted_url, None, Setup(apps=1, workers=2)) as rig:
        load = Load(rig.urls)
        await load.register()
        async with httpx2.AsyncClient(timeout=120) as client:
            bulk_id = await sent(client, rig.urls[0], await load.sign_in(rig.urls[0], "anna"))
            headers = {**await load.sign_in(rig.urls[0], "boris"), "Prefer": "wait=30"}
            answered = 0
            while (await job_of(rig, bulk_id))["finished_at"] is None and answered < 50:
                answer = await client.post(f"{rig.urls[0]}/predictions/predict", json={"text": "one"}, headers=headers)
                assert answer.status_code == 200, answer.text
                answered += 1
            assert answered > 5, "one after the other while the job runs: none waits for more than a part of it"
            async with asyncio.timeout(180):
                while (await job_of(rig, bulk_id))["finished_at"] is None:
                    await asyncio.sleep(0.2)
        await load.close()
