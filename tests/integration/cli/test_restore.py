"""`ml-service restore`: what is no whole backup of this service is refused before anything is changed."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from engine.common.errors import EngineError
from engine.common.state import ROOT
from engine.docker.backups import revision_of
from engine.native.postgres import PostgresNode
from ml_service.cli import backups
from ml_service.storage import revision

Dump = Callable[..., Path]


async def run_sql(url: str, sql: str) -> int:
    """Run it, and return the server's major version."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(sql)
        return connection.get_server_version().major
    finally:
        await connection.close()


def program(url: str, name: str) -> str:
    async def find() -> str:
        return await backups._find(await run_sql(url, "SELECT 1"), name)

    return asyncio.run(find())


@pytest.fixture
def dump(tmp_path: Path) -> Dump:
    def act(url: str, name: str, *options: str) -> Path:
        file = tmp_path / f"{name}.dump"
        command = [program(url, "pg_dump"), "--format=custom", f"--file={file}", *options, f"--dbname={url}"]
        subprocess.run(command, check=True)
        return file

    return act


@pytest.fixture
def other_url(postgres_node: PostgresNode) -> Iterator[str]:
    """A database of somebody else, with a table of one of our names."""
    asyncio.run(run_sql(postgres_node.dsn(), "CREATE DATABASE of_others"))
    url = postgres_node.dsn("of_others")
    asyncio.run(run_sql(url, "CREATE TABLE users (id int); INSERT INTO users VALUES (7)"))
    yield url
    asyncio.run(run_sql(postgres_node.dsn(), "DROP DATABASE of_others WITH (FORCE)"))


def restore(url: str, file: Path, *options: str) -> tuple[int, str]:
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": url, "SETTINGS_FOLDER": "/nowhere"}
    command = [sys.executable, "-m", "ml_service.cli", "restore", str(file), *options]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


def why_refused(url: str, file: Path) -> set[str]:
    """What is said to it, natively and with containers; nothing is changed."""
    asyncio.run(
        run_sql(url, "INSERT INTO users (id, username, username_key) VALUES (gen_random_uuid(), 'anna', 'anna')")
    )
    words = set()
    for options in (["--replace"], ["--check"]):
        code, said = restore(url, file, *options)
        assert code == 1, said
        assert said.count("\n") == 1
        words.add(said.strip().partition(": ")[2])
    with pytest.raises(EngineError) as refused:
        revision_of(file, ["env", f"PATH={Path(program(url, 'pg_restore')).parent}"])
    words.add(str(refused.value))
    asyncio.run(run_sql(url, "SELECT id FROM predictions"))
    asyncio.run(run_sql(url, "DO $$ BEGIN ASSERT (SELECT count(*) FROM users) = 1; END $$"))
    asyncio.run(run_sql(url, "ALTER TABLE users DISABLE TRIGGER users_are_kept"))
    asyncio.run(run_sql(url, "DELETE FROM users"))
    asyncio.run(run_sql(url, "ALTER TABLE users ENABLE TRIGGER users_are_kept"))
    return {one.replace(str(file), "FILE") for one in words}


@pytest.mark.slow
def test_what_is_no_whole_backup_of_this_service_is_refused(database_url: str, other_url: str, dump: Dump) -> None:
    files = {
        "another database": dump(other_url, "other"),
        "a schema without rows": dump(database_url, "schema", "--schema-only"),
        "one table": dump(database_url, "users", "--table=users"),
        "all but the ledger": dump(database_url, "no_ledger", "--exclude-table-data=transactions"),
    }
    for name, file in files.items():
        words = why_refused(database_url, file)
        assert len(words) == 1, (name, words)
        assert "FILE cannot be read back: it is no whole backup of this service, without rows of" in words.pop(), name


@pytest.mark.slow
def test_what_is_cut_short_or_no_archive_is_refused(database_url: str, dump: Dump, tmp_path: Path) -> None:
    whole = dump(database_url, "whole").read_bytes()
    for name, content in {
        "nothing": b"",
        "a text": b"hello\n",
        "its head": whole[:3000],
        "its half": whole[: len(whole) // 2],
        "all but its end": whole[:-20],
    }.items():
        file = tmp_path / "broken.dump"
        file.write_bytes(content)
        assert all("cannot be read back, nothing is changed" in one for one in why_refused(database_url, file)), name


def test_a_backup_of_a_newer_version_is_refused(database_url: str, dump: Dump) -> None:
    asyncio.run(run_sql(database_url, "UPDATE alembic_version SET version_num = '9999'"))
    file = dump(database_url, "newer")
    asyncio.run(run_sql(database_url, f"UPDATE alembic_version SET version_num = '{revision.expected()}'"))
    words = why_refused(database_url, file)
    assert len(words) == 1, words
    assert "its schema is 9999 and this code knows" in words.pop()


def test_tables_of_others_in_the_database_stay(database_url: str, dump: Dump) -> None:
    file = dump(database_url, "ours")
    asyncio.run(run_sql(database_url, "CREATE TABLE of_others (n int); INSERT INTO of_others VALUES (7)"))
    assert restore(database_url, file, "--check") == (
        0,
        f"{file} can be read back: it is a whole backup, of the schema {revision.expected()}.\n",
    )
    code, said = restore(database_url, file, "--replace")
    assert (code, "The books are right." in said) == (0, True), said
    asyncio.run(run_sql(database_url, "DO $$ BEGIN ASSERT (SELECT n FROM of_others) = 7; END $$"))
