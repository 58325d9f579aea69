"""Faults of an app process and its clients: whatever a client was told is true, and asking again is safe."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import asyncpg
import httpx2
import pytest

from tests.support.checker import banking, connected, violations
from tests.support.load import Load, loading
from tests.support.locks import until_one_waits
from tests.support.proxy import proxy_to
from tests.support.rig import Rig, Setup, running_rig, socket_of
from tests.support.waiting import PATIENCE_S, until

pytestmark = pytest.mark.timeout(300)

BEFORE_ITS_COMMIT = "ml_service.storage.submissions.submit@before"
COMMITTED = "ml_service.usecases.group_commit.GroupCommit._commit@after"


@pytest.mark.parametrize("place", [BEFORE_ITS_COMMIT, COMMITTED], ids=["before its commit", "after its commit"])
async def test_an_app_that_dies_around_its_commit_loses_and_duplicates_nothing(noted_url: str, place: str) -> None:
    faults = [f"{place}=exit?{{folder}}/die"]
    setup = Setup(workers=1, faults={"app-1": faults, "app-2": faults})
    async with running_rig(noted_url, None, setup) as rig, loading(Load(rig.urls)) as load, banking(noted_url):
        for _ in range(3):
            die = rig.arm("die")
            await until(lambda die=die: not die.exists())
            for app in rig.apps:
                if not app.is_running:
                    await app.restart(app.faults)
            await load.progress(10)
        await load.stop()
        assert await violations(rig, load) == []
        assert load.refusals.keys() & {"ReadError", "RemoteProtocolError", "ConnectError"}


async def test_a_retry_finds_the_request_that_a_killed_app_had_sent_to_the_database(noted_url: str) -> None:
    """In between: the app is gone, and its statement goes on without it."""
    async with running_rig(noted_url, None, Setup(workers=1)) as rig, banking(noted_url):
        load = Load(rig.urls)
        await load.register()
        for url in rig.urls:
            await load.sign_in(url, "anna")
        request = load.new_request(user="anna")
        async with connected(noted_url) as somebody, somebody.transaction():
            await somebody.execute("SELECT FROM users WHERE username = 'anna' FOR UPDATE")
            lost = asyncio.create_task(load.post(request, rig.urls[0]))
            await until_one_waits(noted_url)
            rig.apps[0].kill()
        with pytest.raises(httpx2.HTTPError):
            await lost
        for _ in range(2):
            assert load.take(request, await load.post(request, rig.urls[1]))
        await rig.apps[0].restart()
        assert await violations(rig, load) == []
        async with connected(noted_url) as connection:
            assert await connection.fetchval("SELECT count(*) FROM transactions WHERE kind = 'hold'") == 1
        await load.close()


async def test_a_retry_by_key_finds_the_request_whose_commit_answer_was_lost(noted_url: str) -> None:
    """The database has committed a submission, and the app never hears of it."""
    folder = Path(noted_url.partition("?host=")[2]).parent / "cut"
    listen = str(folder / ".s.PGSQL.5432")
    async with (
        proxy_to(socket_of(noted_url), listen) as proxy,
        running_rig(noted_url, None, Setup(apps=1, workers=1, app_database_host=folder)) as rig,
        loading(Load(rig.urls)) as load,
        banking(noted_url),
    ):
        for wanted in (1, 2, 3):
            proxy.cut_after = b'{"text":'  # an input on its way to the database: the statement that commits it
            await until(lambda wanted=wanted: proxy.cuts == wanted)
            await load.progress(5)
        await load.stop()
        assert load.refusals["503 database_unavailable"] >= 1
        assert await violations(rig, load) == []


async def hang_up(rig: Rig, headers: dict[str, str], number: int) -> None:
    """Post, and be gone a moment later: in the body, or while the app works."""
    port = int(rig.urls[number % len(rig.urls)].rpartition(":")[2])
    body = json.dumps({"model": "echo", "input": {"text": "gone"}}).encode()
    lines = [
        "POST /predictions/predict HTTP/1.1",
        "Host: app",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in headers.items()),
        *(["Prefer: wait=5"] if number % 4 == 1 else []),
    ]
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")
    writer.write(body[: len(body) // 2] if number % 4 == 0 else body)
    await writer.drain()
    await asyncio.sleep(number % 7 / 100)
    writer.transport.abort()


IDLE = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' AND datname = current_database()"


async def test_clients_that_hang_up_during_a_request_leak_no_connection(noted_url: str) -> None:
    """200 of them, into pools of three connections each."""
    setup = Setup(workers=1, env={"DATABASE_CONNECTIONS_MAX": "3"})
    async with running_rig(noted_url, None, setup) as rig:
        load = Load(rig.urls)
        await load.register()
        headers = await load.sign_in(rig.urls[0], "anna")
        for start in range(0, 200, 20):
            await asyncio.gather(*(hang_up(rig, headers, number) for number in range(start, start + 20)))
        # The next request is served at once, by each of them.
        for url in rig.urls * 5:
            request = load.new_request()
            answer = await load.post(request, url, headers={"Prefer": "wait=10"}, timeout=20)
            assert load.take(request, answer)
            assert answer.status_code == 200, answer.text
        async with connected(noted_url) as connection:
            async with asyncio.timeout(PATIENCE_S):  # the leader's duties are in a transaction for moments, too
                while await connection.fetchval(IDLE):
                    await asyncio.sleep(0.05)
            accepted = await connection.fetchval("SELECT count(*) FROM predictions WHERE input ->> 'text' = 'gone'")
        assert accepted > 0  # the bodies were complete: nobody knows, and nobody is told
        found = await violations(rig, load)
        assert [one for one in found if not one.startswith("3 nobody asked")] == []
        await load.close()


async def test_two_apps_accept_ten_of_fifty_requests_with_credits_for_ten(noted_url: str) -> None:
    async with running_rig(noted_url, None, Setup(workers=1, env={"STARTING_CREDITS": "10"})) as rig:
        load = Load(rig.urls, users=["anna"])
        await load.register()
        for url in rig.urls:
            await load.sign_in(url, "anna")
        asked = [load.new_request() for _ in range(50)]
        answers = await asyncio.gather(*map(load.post, asked))
        for request, answer in zip(asked, answers, strict=True):
            load.take(request, answer)
        assert sorted(answer.status_code for answer in answers) == [202] * 10 + [402] * 40
        load.requests = [request for request in load.requests if request.ids]
        assert await violations(rig, load) == []
        headers = await load.sign_in(rig.urls[0], "anna")
        balance = httpx2.get(f"{rig.urls[0]}/balance", headers=headers, timeout=20).json()
        assert balance == {"balance": 0, "held": 0}
        await load.close()


async def test_two_apps_make_one_prediction_of_fifty_requests_with_one_key(noted_url: str) -> None:
    """Others ask, too."""
    async with running_rig(noted_url, None, Setup(workers=1)) as rig, loading(Load(rig.urls)) as load:
        for is_batch in (False, True):
            request = load.new_request(items=3 if is_batch else 0)
            answers = await asyncio.gather(*(load.post(request, timeout=60) for _ in range(50)))
            assert {answer.status_code for answer in answers} <= {200, 202}
            assert all(load.take(request, answer) for answer in answers)
        await load.stop()
        assert await violations(rig, load) == []


async def test_a_retry_at_another_app_and_the_late_work_of_a_frozen_app_are_one_prediction(noted_url: str) -> None:
    """The client (or nginx) gives up on a frozen app process, which wakes up later."""
    async with running_rig(noted_url, None, Setup(workers=1)) as rig:
        async with loading(Load(rig.urls, timeout_s=2)) as load:
            rig.apps[0].freeze()
            await load.progress(30)
            rig.apps[0].thaw()
            await load.progress(30)
        assert load.refusals["ReadTimeout"] > 0
        assert await violations(rig, load) == []


@pytest.mark.parametrize("role", ["ml_service_app", "ml_service_worker"])
async def test_no_service_can_change_the_ledger(noted_url: str, role: str) -> None:
    async with connected(noted_url.replace("postgres@", f"{role}@")) as connection:
        for statement in ("DELETE FROM transactions", "UPDATE transactions SET amount = 1"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
