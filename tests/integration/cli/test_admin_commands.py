"""`ml-service admin` and `backup`, run as an operator does, with the values that people and mistakes give them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from engine.common.state import ROOT
from ml_service.domain.users import deleted_name
from ml_service.storage import admin_actions, deleted_accounts, models, users
from ml_service.storage.database import Database
from tests.support.service import ECHO

Run = Callable[..., str]

PASSWORD = "a-Long-Password-77"


@pytest.fixture
def run(database_url: str) -> Run:
    """Run a command line; what it printed."""
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": database_url, "SETTINGS_FOLDER": "/nowhere", "COLUMNS": "200"}

    def act(*arguments: str | bytes, expected: int = 0, stdin: str = "") -> str:
        command = [sys.executable, "-m", "ml_service.cli", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=env, input=stdin, capture_output=True, text=True, check=False)
        assert done.returncode == expected, done
        assert "Traceback" not in done.stderr
        return done.stdout + done.stderr

    return act


async def test_a_deleted_account_is_given_nothing(run: Run, database: Database) -> None:
    run("admin", "create", "boss", "--password-stdin", stdin=f"{PASSWORD}\n")
    run("admin", "create", "leaver", "--password-stdin", "--role", "viewer", stdin=f"{PASSWORD}\n")
    async with database.begin() as session:
        login = await users.login_of(session, "leaver")
        assert login is not None
        assert await deleted_accounts.close(session, login.user_id, login.password_hash)
    name = deleted_name(login.user_id)
    for arguments in (
        ("admin", "top-up", name, "5"),
        ("admin", "adjust", name, "5", "--reason", "r"),
        ("admin", "role", name, "admin", "--reason", "r"),
        ("admin", "block", name, "--reason", "r"),
        ("admin", "unblock", name, "--reason", "r"),
        ("keys", "create", name, "--name", "ci"),
    ):
        assert run(*arguments, expected=1).strip() == "account_deleted: This account was deleted.", arguments
    assert "invalid_input" in run("admin", "create", name, "--existing", "--password-stdin", expected=1)
    assert f"{name}: user, deleted, balance 0" in run("admin", "show", name)
    assert await users_row(database, name) == (False, None, None)


async def users_row(database: Database, name: str) -> tuple[object, ...]:
    async with database.autocommit() as session:
        return tuple(
            await session.fetchrow("SELECT is_admin, staff_role, password_hash FROM users WHERE username = $1", name)
            or ()
        )


async def test_the_series_is_printed_and_too_long_a_one_is_refused(run: Run) -> None:
    lines = run("admin", "stats", "--minutes", "1440", "--step", "hour", "--model", "echo").splitlines()
    assert all(word in lines[1] for word in ("from", "accepted", "succeeded", "failed", "credits", "p99 ms"))
    assert sum(":00" in line for line in lines) == 24
    assert "at most" in run("admin", "stats", "--minutes", "90", "--step", "minute", expected=1)


async def test_an_admin_is_made_and_a_taken_name_needs_existing(run: Run, database: Database) -> None:
    async def stored() -> tuple[bool, str]:
        async with database.autocommit() as session:
            row = await session.fetchrow("SELECT is_admin, password_hash FROM users WHERE username = 'boss'")
        assert row is not None
        return row["is_admin"], row["password_hash"]

    run("admin", "create", "boss", "--existing", expected=1)
    assert "is an admin" in run("admin", "create", "boss", "--password-stdin", stdin=f"{PASSWORD}\n")
    async with database.begin() as session:
        await session.execute("SET LOCAL session_replication_role = replica")  # else the last admin stays one
        await session.execute("UPDATE users SET is_admin = false")
    before = await stored()
    said = run("admin", "create", "Boss", "--password-stdin", stdin="another-Password-5\n", expected=1)
    assert "'boss' is taken" in said
    assert await stored() == before
    run("admin", "create", "boss", "--existing")
    assert await stored() == (True, before[1])
    async with database.autocommit() as session:
        await session.execute(
            "INSERT INTO telegram_link_codes (code_hash, user_id, expires_at)"
            " SELECT 'code', id, now() + interval '5 minutes' FROM users WHERE username = 'boss'"
        )
    run("admin", "create", "boss", "--existing", "--password-stdin", stdin="another-Password-5\n")
    is_admin, password_hash = await stored()
    assert is_admin
    assert password_hash != before[1]
    async with database.autocommit() as session:
        found, *_ = await admin_actions.page(session, before=None, limit=9)
        assert await session.fetchval("SELECT count(*) FROM telegram_link_codes") == 0
    assert (found.actor, found.action, found.before, found.after) == ("command-line", "user.password", None, None)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["admin", "top-up", "boss", "99999999999999999999"], 2, "must be from 1 to"),
        (["admin", "top-up", "boss", "0"], 2, "must be from 1 to"),
        (["admin", "adjust", "boss", "-99999999999999999999", "--reason", "x"], 2, "must be from -"),
        (["admin", "price", "odd", "99999999999999999999"], 1, "from 0 to 999,999,999"),
        (["admin", "price", "odd", "-1"], 2, "No such option"),
        (["admin", "price", "odd", "²"], 1, "from 0 to 999,999,999"),
        (["admin", "price", "[red]odd", "5"], 1, "[red]odd"),
        (["admin", "show", "no[bold]body"], 1, "no[bold]body"),
        ([b"admin", b"top-up", b"boss", b"5", b"--reason", b"\xff\xfe"], 1, "not UTF-8"),
        (["admin", "create", "boss"], 1, "--password-stdin"),
        (["backup", "/proc/nowhere/x.dump"], 1, "/proc/nowhere/x.dump.partial: No such file"),
        (["backup", "/"], 2, "'/' is a directory; give the name of a file."),
        (["backup", ""], 2, "give the name of a file; an empty word"),
        (["restore", ""], 2, "give the name of a file; an empty word"),
        (["admin", "stats", "--step", "7"], 2, "'--step': '7' is not one of minute, hour, day."),
        (["keys", "create", "boss", "--name", "x", "--scope", "all"], 2, "'all' is not one of predict, read"),
        (["admin", "cancel", "7", "--reason", "x"], 2, "'7' is not an id: they look like"),
        (["keys", "revoke", "7", "--reason", "x"], 2, "'7' is not an id: they look like"),
    ],
)
def test_a_value_that_cannot_be_is_refused_in_words(
    run: Run, arguments: list[str | bytes], code: int, words: str
) -> None:
    assert words in run(*arguments, expected=code)


def test_a_backup_is_readable_by_its_owner_only_and_overwrites_nothing(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "it's [red] today #1.dump"
    assert "it's [red] today #1.dump" in run("backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "exists already" in run("backup", str(file), expected=1)
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.slow
async def test_every_command_of_an_admin_is_logged(run: Run, database: Database) -> None:
    async with database.autocommit() as session:
        await models.announce(session, [ECHO, replace(ECHO, version="2")])
    run("admin", "create", "boss", "--password-stdin", stdin=f"{PASSWORD}\n")
    run("admin", "top-up", "boss", "50", "--reason", "invoice 7")
    for _ in range(2):
        run("admin", "chargeback", "boss", "20", "--reason", "reversed", "--key", "c-1")
    too_many = ("admin", "chargeback", "boss", "31", "--reason", "reversed", "--key", "c-2")
    assert "at most what the user has bought by top-ups: 30 credits" in run(*too_many, expected=1)
    run("admin", "adjust", "boss", "-5", "--reason", "[red]odd[/red]")
    run("admin", "price", "echo", "3")
    refused = run("models", "promote", "echo@2", "--reason", "better", expected=1)
    assert "No worker serves echo@2" in refused
    assert refused.strip().endswith("make it the default in advance: --unserved")
    run("models", "promote", "echo@2", "--reason", "better", "--unserved")
    assert "No worker serves echo@1" in run("models", "rollback", "echo", "--reason", "worse", expected=1)
    run("models", "rollback", "echo", "--reason", "worse", "--unserved")
    run("models", "disable", "echo", "--reason", "broken")
    run("models", "enable", "echo", "--reason", "mended")
    run("models", "forget", "echo@2")
    assert "last_admin" in run("admin", "block", "boss", "--reason", "left", expected=1)
    assert "last_admin" in run("admin", "role", "boss", "none", "--reason", "left", expected=1)
    run("admin", "create", "helper", "--role", "support", "--password-stdin", stdin=f"{PASSWORD}\n")
    assert "helper: support," in run("admin", "show", "helper")
    assert "helper is an admin" in run("admin", "role", "helper", "admin", "--reason", "instead of boss")
    assert "boss: admin, blocked" in run("admin", "block", "boss", "--reason", "left") + run("admin", "show", "boss")
    run("admin", "unblock", "boss", "--reason", "back")
    run("admin", "top-up", "nobody", "5", expected=1)
    run("models", "promote", "echo@9", expected=1)
    assert "promote echo@1.1.0" in run("models", "promote", "echo", expected=1)
    listed = run("admin", "actions")
    async with database.autocommit() as session:
        found = list(reversed(await admin_actions.page(session, before=None, limit=100)))
    assert {one.actor for one in found} == {"command-line"}
    assert [one.action for one in found] == [
        "user.create_admin",
        "credits.top_up",
        "credits.chargeback",
        "credits.adjustment",
        *["model.change"] * 5,
        "model.forget",
        "user.create_admin",
        "user.role",
        "user.block",
        "user.unblock",
    ]
    assert [json.loads(one.after or "{}") for one in found[4:9]] == [
        {"price_credits": 3},
        {"default_version": "2"},
        {"default_version": "1"},
        {"is_enabled": False},
        {"is_enabled": True},
    ]
    assert all(text in listed for text in ("invoice 7", "[red]odd[/red]", "model:echo@2", "user.unblock"))
