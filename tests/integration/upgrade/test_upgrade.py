"""A database of an earlier schema, with its data, is brought to this one: nothing is lost, and work goes on."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from engine.native.postgres import PostgresNode
from ml_service.storage.schema import MIGRATION_LOCK
from tests.support.app_process import ROOT, started
from tests.support.nodes import TEMPLATE, execute
from tests.support.service import ECHO

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Dump:
    """A database as an earlier schema left it.

    Attributes:
        before: Balance and held credits of each user who can sign in, when the dump was made.
        open: Unfinished predictions.
        owed: Answers that the bot owes.
    """

    revision: str
    before: dict[str, tuple[int, int]]
    open: int
    owed: int


DUMPS = [
    Dump("0001", {"anna": (81, 3), "boris": (141, 3), "test": (94, 0)}, open=6, owed=0),
    Dump("0004", {"anna": (86, 2), "boris": (164, 5), "test": (100, 0)}, open=8, owed=3),
]
PATIENCE_S = 60
WAITING = "SELECT 1 FROM pg_locks WHERE relation = $1::regclass AND NOT granted"
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"

_numbers = count(1)


@pytest.fixture(params=DUMPS, ids=lambda dump: dump.revision)
def dump(request: pytest.FixtureRequest) -> Dump:
    """Each earlier schema in turn."""
    found: Dump = request.param
    return found


@pytest.fixture
def old_url(postgres_node: PostgresNode, dump: Dump) -> Iterator[str]:
    """A database as that schema left it."""
    sql = Path(__file__).with_name(f"schema_{dump.revision}.sql").read_text(encoding="utf-8")
    name = f"old_{next(_numbers)}"
    asyncio.run(execute(postgres_node.dsn(), f"CREATE DATABASE {name}"))
    asyncio.run(execute(postgres_node.dsn(name), sql))
    yield postgres_node.dsn(name)
    asyncio.run(execute(postgres_node.dsn(), f"DROP DATABASE {name} WITH (FORCE)"))


def environment(url: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "DATABASE_URL": url, "QUEUE_BACKEND": "postgres"}


def command_line(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ml_service.cli", *arguments]


def cli(url: str, *arguments: str) -> str:
    command, env = command_line(*arguments), environment(url)
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows(url: str, query: str) -> list[tuple[Any, ...]]:
    async def fetch() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for row in await connection.fetch(query)]
        finally:
            await connection.close()

    return asyncio.run(fetch())


def schema(url: str, query: str) -> list[str]:
    """What a query of `SCHEMA` says. A partition is named by a day: midnight may have passed."""
    return [re.sub("predictions_from_[0-9]{8}t", "predictions_from_DAYt", str(row)) for row in rows(url, query)]


SCHEMA = (
    """SELECT table_name, column_name, data_type, is_nullable, column_default
       FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2""",
    "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
    """SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
       WHERE connamespace = 'public'::regnamespace AND contype <> 'n' ORDER BY 1, 2""",
    """SELECT grantee, table_name, privilege_type FROM information_schema.role_table_grants
       WHERE table_schema = 'public' AND grantee LIKE 'ml_service%' ORDER BY 1, 2, 3""",
    "SELECT relname, reloptions::text FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
    """SELECT tgname, tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger
       WHERE NOT tgisinternal ORDER BY 1, 2""",
)


def test_a_backup_of_an_older_version_is_read_back_over_a_newer_database(
    old_url: str, database_url: str, postgres_node: PostgresNode, tmp_path: Path
) -> None:
    kept = rows(old_url, "SELECT id, user_id, kind, amount FROM transactions ORDER BY id")
    cli(old_url, "backup", str(tmp_path / "old.dump"))
    assert "The books are right." in cli(database_url, "restore", str(tmp_path / "old.dump"), "--replace")
    assert kept
    assert rows(database_url, "SELECT id, user_id, kind, amount FROM transactions ORDER BY id") == kept
    for query in SCHEMA:
        assert schema(database_url, query) == schema(postgres_node.dsn(TEMPLATE), query), query


def test_a_restore_that_is_killed_between_its_two_steps_is_finished_by_the_next_run(
    old_url: str, database_url: str, dump: Dump, postgres_node: PostgresNode, tmp_path: Path
) -> None:
    file = str(tmp_path / "old.dump")
    cli(old_url, "backup", file)

    async def kill_it_while_it_waits_for_the_second_step() -> str:
        lock = await asyncpg.connect(database_url)
        await lock.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        process = await asyncio.create_subprocess_exec(
            *command_line("restore", file, "--replace"),
            cwd=ROOT,
            env=environment(database_url),
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            said = await process.stdout.readline()
        process.kill()
        await process.wait()
        await lock.close()
        return said.decode()

    said = asyncio.run(kill_it_while_it_waits_for_the_second_step())
    assert f"with the schema {dump.revision}" in said
    assert "run the same command again" in said
    assert rows(database_url, "SELECT version_num FROM alembic_version") == [(dump.revision,)]
    assert "The books are right." in cli(database_url, "restore", file, "--replace")
    for query in SCHEMA:
        assert schema(database_url, query) == schema(postgres_node.dsn(TEMPLATE), query), query


def test_an_upgraded_database_is_as_a_new_one(old_url: str, dump: Dump, postgres_node: PostgresNode) -> None:
    assert f"went from {dump.revision} to" in cli(old_url, "migrate")
    for query in SCHEMA:
        assert schema(old_url, query) == schema(postgres_node.dsn(TEMPLATE), query), query
    assert "The schema is at" in cli(old_url, "migrate")


def test_a_deadlock_with_whom_is_at_work_is_tried_again(old_url: str, dump: Dump, postgres_node: PostgresNode) -> None:
    """As with autovacuum's analyze, which met a migration on a table that both were changing."""

    async def meet() -> str:
        other = await asyncpg.connect(old_url)
        name = await other.fetchval("SELECT current_database()")
        await other.execute(f"ALTER DATABASE {name} SET deadlock_timeout = '5s'")  # so late does it look
        await other.execute("SET deadlock_timeout = '1h'")  # so it is the migration that is ended
        async with other.transaction(), asyncio.timeout(PATIENCE_S):
            await other.execute("LOCK TABLE transactions IN ACCESS SHARE MODE")
            process = await asyncio.create_subprocess_exec(
                *command_line("migrate"), cwd=ROOT, env=environment(old_url), stdout=asyncio.subprocess.PIPE
            )
            while not await other.fetchval(WAITING, "transactions"):
                await asyncio.sleep(0.02)
            await other.execute("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(PATIENCE_S):
            said, _ = await process.communicate()
            while not await other.fetchval(DEADLOCKS):  # the server's statistics come late
                await asyncio.sleep(0.1)
        await other.close()
        assert process.returncode == 0
        return said.decode()

    assert f"went from {dump.revision} to" in asyncio.run(meet())
    for query in SCHEMA:
        assert schema(old_url, query) == schema(postgres_node.dsn(TEMPLATE), query), query


def test_no_row_is_lost_and_the_books_stay_right(old_url: str) -> None:
    kept = "SELECT id, user_id, status, cost, input::text, output::text, attempts FROM predictions ORDER BY id"
    money = (
        "SELECT id, user_id, kind, amount, prediction_id, CASE WHEN kind <> 'transfer' THEN reason END, created_at"
        " FROM transactions ORDER BY id"
    )
    before = rows(old_url, kept), rows(old_url, money)
    cli(old_url, "migrate")
    assert (rows(old_url, kept), rows(old_url, money)) == before
    assert "The books are right." in cli(old_url, "audit")


def test_the_ledger_forgets_the_numbers_of_chats(old_url: str) -> None:
    connect = """
        WITH pair AS (
            SELECT id, CASE username WHEN 'anna' THEN -5 ELSE 5 END AS amount FROM users
            WHERE username IN ('anna', 'boris')
        ), booked AS (
            INSERT INTO transactions (user_id, kind, amount, reason)
            SELECT id, 'transfer', amount, 'connected to Telegram chat 700' FROM pair
        )
        UPDATE users AS u SET balance = balance + p.amount FROM pair AS p WHERE u.id = p.id
    """
    money = "SELECT id, user_id, kind, amount, created_at FROM transactions ORDER BY id"
    rows(old_url, connect)
    before = rows(old_url, money)
    cli(old_url, "migrate")
    assert rows(old_url, money) == before
    found = rows(old_url, "SELECT DISTINCT reason FROM transactions WHERE reason LIKE '%Telegram%'")
    assert found == [("connected to Telegram",)]
    guard = "SELECT tgenabled::text FROM pg_trigger WHERE tgname = 'transactions_never_change'"
    assert rows(old_url, guard) == [("O",)]
    assert "The books are right." in cli(old_url, "audit")


def test_batches_become_rows_that_lead_to_their_predictions(old_url: str) -> None:
    cli(old_url, "migrate")
    batches = rows(old_url, "SELECT id, user_id, size, cost, created_at FROM batches ORDER BY id")
    assert batches
    assert batches == rows(
        old_url,
        """
        SELECT batch_id, user_id, count(*), sum(cost), min(created_at)
        FROM predictions AS p
        WHERE (SELECT p.id BETWEEN b.first_id AND b.last_id FROM batches AS b WHERE b.id = p.batch_id)
        GROUP BY 1, 2 ORDER BY 1
        """,
    )


def test_the_answers_that_the_bot_owes_are_kept(old_url: str, dump: Dump) -> None:
    cli(old_url, "migrate")
    owed = rows(old_url, "SELECT chat_id, message_id FROM deliveries WHERE delivered_at IS NULL ORDER BY 2")
    assert owed == [(7, 14), (7, 16), (8, 22)][: dump.owed]


@contextmanager
def worker(url: str, log: Path) -> Iterator[None]:
    env = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": url.replace("postgres@", "ml_service_worker@"),
        "QUEUE_BACKEND": "postgres",
        "MODELS": "echo",
        "DEFAULT_MODEL": "echo",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.ml_worker.worker"], cwd=ROOT, env=env, stdout=output, stderr=output
        )
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(PATIENCE_S) == 0


def test_work_open_before_the_upgrade_is_finished_after_it(
    old_url: str, dump: Dump, tmp_path: Path, node_folder: Path
) -> None:
    open_ = rows(old_url, "SELECT id::text FROM predictions WHERE status IN ('queued', 'processing')")
    assert len(open_) == dump.open
    cli(old_url, "migrate")
    folder = node_folder / "upgrade"
    folder.mkdir(exist_ok=True)
    with started(old_url, folder, ECHO) as app, worker(old_url, tmp_path / "worker.log"):
        assert "READY=1" in app.told()
        with app.client() as client:
            for name, (balance, held) in dump.before.items():
                sign_in(client, name)
                until_done(client)
                assert client.get("/balance").json() == {"balance": balance, "held": 0}, name
                again = {"Idempotency-Key": f"key-{held}"}
                client.post("/predictions/predict", json={"model": "echo", "input": {"text": "new"}}, headers=again)
        until_all_done(old_url)  # what was asked for in chats
    assert set(open_) <= set(rows(old_url, "SELECT id::text FROM predictions WHERE status = 'succeeded'"))
    assert "The books are right." in cli(old_url, "audit")
    (folder / "notify").unlink()


def sign_in(client: httpx2.Client, name: str) -> None:
    password = "test" if name == "test" else "a quiet green river"
    answer = client.post("/token", data={"username": name, "password": password})
    assert answer.status_code == 200, answer.text
    client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


def until_all_done(url: str) -> None:
    end = time.monotonic() + PATIENCE_S
    while rows(url, "SELECT id FROM predictions WHERE finished_at IS NULL"):
        assert time.monotonic() < end
        time.sleep(0.1)


def until_done(client: httpx2.Client) -> None:
    end = time.monotonic() + PATIENCE_S
    while any(one["status"] in ("queued", "processing") for one in client.get("/predictions").json()["items"]):
        assert time.monotonic() < end
        time.sleep(0.1)
