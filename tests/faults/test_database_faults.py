"""Faults of the database, the lines to it, and the clocks around it."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from engine.native.postgres import PostgresNode
from ml_service.storage.schema import migrate
from tests.faults.test_publish_faults import under_load
from tests.faults.test_worker_faults import napping
from tests.support.checker import banking, connected, note_ends, rows_of, violations
from tests.support.load import Load, loading
from tests.support.nodes import execute, skip_or_fail
from tests.support.ports import free_port
from tests.support.proxy import proxy_to
from tests.support.rig import Rig, Setup, running_rig, socket_of, started
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(400)

WITHIN_MS = 5500
"""The 5 s of docs/guarantees.md, and some for a busy machine."""


def refused_ms(rig: Rig) -> list[float]:
    """How long the app took for each 503, by its own log: a client shares its time with others."""
    lines = [line for app in rig.apps for line in app.log.read_text().splitlines() if '"event":"request"' in line]
    return [one["ms"] for one in map(json.loads, lines) if one["status"] == 503]


@pytest.mark.parametrize("backend", ["postgres", "rabbitmq"])
async def test_killing_database_sessions_every_second_loses_nothing(
    noted_url: str, backend: str, request: pytest.FixtureRequest
) -> None:
    amqp_url = request.getfixturevalue("amqp_url") if backend == "rabbitmq" else None
    async with under_load(noted_url, amqp_url) as (rig, load):
        for _ in range(6):
            async with connected(noted_url) as killer:
                await killer.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND application_name LIKE 'ml-service%'"
                )
            await asyncio.sleep(1)
        await load.progress(10)
        assert all(process.is_running for process in rig.processes)


@pytest.mark.parametrize("backend", ["postgres", "rabbitmq"])
async def test_a_database_crash_loses_nothing_accepted_and_needs_no_restart(
    noted_url: str, postgres_node: PostgresNode, backend: str, request: pytest.FixtureRequest
) -> None:
    """503 while it is away, all ends within 30 s of its return, and no process is started again by hand."""
    amqp_url = request.getfixturevalue("amqp_url") if backend == "rabbitmq" else None
    setup = Setup(models="echo,troublesome")
    async with running_rig(noted_url, amqp_url, setup) as rig:
        async with loading(Load(rig.urls)) as load, banking(noted_url):
            pids = [process.popen.pid for process in rig.processes if process.popen]
            for _ in range(2):
                await napping(load, singles=5, batch=20)
                postgres_node.kill()
                await asyncio.sleep(1)
                await started(postgres_node)
                await load.progress(20)
        assert await violations(rig, load, drain_s=30) == []
        assert pids == [process.popen.pid for process in rig.processes if process.popen]
        assert all(process.is_running for process in rig.processes)


async def test_a_black_holed_database_is_a_503_within_five_seconds(noted_url: str) -> None:
    folder = Path(noted_url.partition("?host=")[2]).parent / "hole"
    async with (
        proxy_to(socket_of(noted_url), str(folder / ".s.PGSQL.5432")) as proxy,
        running_rig(noted_url, None, Setup(apps=1, workers=1, app_database_host=folder)) as rig,
    ):
        async with loading(Load(rig.urls, timeout_s=30)) as load:
            proxy.swallow()
            await asyncio.sleep(12)
            # Its own connections are gone by now; those of the other end are not: nobody told them.
            await until(lambda: len(refused_ms(rig)) >= 6)
            proxy.heal()
            await load.progress(10)
        assert max(refused_ms(rig)) < WITHIN_MS, sorted(refused_ms(rig))
        assert set(load.refusals) == {"503 database_unavailable"}
        assert await violations(rig, load) == []


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A folder on a file system of 96 MiB."""
    folder = Path(tempfile.mkdtemp(prefix="disk-"))
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=96M", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode != 0:
        folder.rmdir()
        skip_or_fail(f"a small file system cannot be mounted here: {made.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


async def test_a_full_database_disk_accepts_nothing_and_answers_503(small_disk: Path) -> None:
    settings = {"max_wal_size": "32MB", "wal_segment_size": "16MB"}
    node = PostgresNode(small_disk / "pg", durable=False, settings={"max_wal_size": settings["max_wal_size"]})
    filler = small_disk / "filler"
    try:
        node.start()
        await execute(node.dsn(), "CREATE DATABASE full_disk")
        url = node.dsn("full_disk")
        await migrate(url)
        await note_ends(url)
        async with running_rig(url, None, Setup(apps=1, workers=1)) as rig:
            async with loading(Load(rig.urls, text="x" * 20_000, timeout_s=30)) as load:
                with suppress(OSError), filler.open("wb", buffering=0) as file:
                    while True:
                        file.write(b"\0" * 65536)
                refused = load.refusals["503 database_unavailable"]
                await until(lambda: load.refusals["503 database_unavailable"] > refused + 5)
                filler.unlink()
                if node.pid is None:
                    await started(node)  # it may have given up; its supervisor starts it again
                await load.progress(10)
            assert await violations(rig, load) == []
            assert not set(load.refusals) - {"503 database_unavailable"}
    finally:
        filler.unlink(missing_ok=True)
        node.close()


async def test_a_locked_user_row_is_a_503_within_five_seconds(noted_url: str) -> None:
    async with running_rig(noted_url, None, Setup(apps=1, workers=1)) as rig:
        load = Load(rig.urls, timeout_s=30)
        await load.register()
        for user in load.users:
            await load.sign_in(rig.urls[0], user)
        asked = [load.new_request(user="anna", items=number % 3) for number in range(12)]
        async with connected(noted_url) as somebody, somebody.transaction():
            await somebody.execute("SELECT FROM users WHERE username = 'anna' FOR UPDATE")
            answers = await asyncio.gather(*map(load.post, asked))
            assert [answer.status_code for answer in answers] == [503] * 12
            await until(lambda: len(refused_ms(rig)) == 12)
            assert max(refused_ms(rig)) < WITHIN_MS, sorted(refused_ms(rig))
            assert await rows_of(noted_url) == {}
            # A single request of another user is not kept by that lock.
            other = load.new_request(user="boris")
            assert load.take(other, await load.post(other))
        assert all([await load.ask(request) for request in asked])
        assert await violations(rig, load) == []
        await load.close()


async def test_clocks_an_hour_off_end_no_prediction_early(noted_url: str) -> None:
    """One app and one worker an hour ahead, the others an hour behind."""
    faults = {f"{kind}-{n}": [f"clock={shift}"] for kind in ("app", "worker") for n, shift in ((1, 3600), (2, -3600))}
    async with running_rig(noted_url, None, Setup(faults=faults, models="echo,troublesome")) as rig, banking(noted_url):
        async with loading(Load(rig.urls, tokens_per_app=True)) as load:
            for url in rig.urls:
                for _ in range(10):
                    request = load.new_request(model="troublesome", text="!nap")
                    request.items[0]["deadline_s"] = 600
                    assert load.take(request, await load.post(request, url))
            await load.progress(20)
        assert await violations(rig, load) == []
        assert {row["status"] for row in (await rows_of(noted_url)).values()} == {"succeeded"}


@contextmanager
def losing(share: float, ports: Sequence[int]) -> Iterator[None]:
    """So large a part of the packets to and from these ports of this machine is dropped."""
    line = ["INPUT", "-i", "lo", "-p", "tcp"]
    dice = ["-m", "statistic", "--mode", "random", "--probability", str(share), "-j", "DROP"]
    rules = [[*line, end, str(port), *dice] for port in ports for end in ("--dport", "--sport")]
    try:
        for rule in rules:
            made = subprocess.run(["iptables", "-w", "-A", *rule], capture_output=True, text=True, check=False)
            if made.returncode != 0:
                skip_or_fail(f"packets cannot be dropped here: {made.stderr.strip()}")
        yield
    finally:
        for rule in rules:
            subprocess.run(["iptables", "-w", "-D", *rule], capture_output=True, check=False)


async def test_slow_links_with_packet_loss_lose_no_prediction(noted_url: str, amqp_url: str) -> None:
    """What goes to and from database and broker takes 200 ms; of all packets one in twenty is lost."""
    if shutil.which("iptables") is None:
        skip_or_fail("packets cannot be dropped here: apt-get install iptables")
    database_port, broker_port = free_port(), free_port()
    address, vhost = amqp_url.rsplit("/", 1)
    credentials, _, target = address.rpartition("@")
    host = f"127.0.0.1&port={database_port}"
    async with (
        proxy_to(socket_of(noted_url), ("127.0.0.1", database_port)) as database,
        proxy_to(("127.0.0.1", int(target.rpartition(":")[2])), ("127.0.0.1", broker_port)) as broker,
        running_rig(
            noted_url,
            f"{credentials}@127.0.0.1:{broker_port}/{vhost}",
            Setup(app_database_host=host, worker_database_host=host),
        ) as rig,
    ):
        apps = [int(url.rpartition(":")[2]) for url in rig.urls]
        async with loading(Load(rig.urls, timeout_s=30)) as load, banking(noted_url):
            database.delay_s = broker.delay_s = 0.2
            with losing(0.05, [database_port, broker_port, *apps]):
                await load.progress(60, timeout_s=180)
        database.delay_s = broker.delay_s = 0.0
        assert await violations(rig, load) == []


async def test_links_that_break_and_heal_lose_nothing(noted_url: str) -> None:
    """What loss and reordering come to, seen from above TCP: silence, then everything, or a broken line."""
    folder = Path(noted_url.partition("?host=")[2]).parent / "flaky"
    async with (
        proxy_to(socket_of(noted_url), str(folder / ".s.PGSQL.5432")) as proxy,
        running_rig(noted_url, None, Setup(app_database_host=folder, worker_database_host=folder)) as rig,
    ):
        async with loading(Load(rig.urls, timeout_s=30)) as load, banking(noted_url):
            for _ in range(4):
                proxy.swallow()
                await asyncio.sleep(0.7)
                proxy.heal()
                await load.progress(5)
                proxy.cut()
                await load.progress(5)
        assert await violations(rig, load) == []
