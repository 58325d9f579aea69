"""`ml-service migrate` and other commands, against databases as operators have them: foreign, old, new, closed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from engine.common.state import ROOT
from engine.native.postgres import PostgresNode
from ml_service.storage import revision
from ml_service.storage.schema import migrate
from tests.support.nodes import execute


def run(url: str, *arguments: str, expected: int = 0, module: str = "ml_service.cli", **more: str) -> str:
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": url, "SETTINGS_FOLDER": "/nowhere", "COLUMNS": "200"} | more
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == expected, done
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


async def test_migrate_reads_an_address_as_the_services_do(database_url: str, postgres_node: PostgresNode) -> None:
    newest = revision.expected()
    folder = postgres_node.socket_folder
    name = database_url.split("@/")[1].split("?", maxsplit=1)[0]
    for url in (
        f"{database_url}&sslmode=disable&application_name=migrate",
        f"postgres://postgres@/{name}?host={folder}&port=5432",
        f"postgresql:///{name}?host={folder}&user=postgres&target_session_attrs=read-write",
    ):
        assert await migrate(url) == (newest, newest)


async def test_a_role_without_rights_is_told_so(database_url: str) -> None:
    await execute(database_url, "DROP TABLE alembic_version", "GRANT USAGE ON SCHEMA public TO ml_service_app")
    closed = database_url.replace("postgres@", "ml_service_app@", 1)
    assert "The role in DATABASE_URL may not do this: permission denied" in run(closed, "migrate", expected=1)


@pytest.mark.parametrize("command", ["audit", "status"])
async def test_a_database_without_the_schema_is_told_how_to_get_it(database_url: str, command: str) -> None:
    await execute(database_url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    assert "run `ml-service migrate`" in run(database_url, command, expected=1)


async def test_a_database_of_a_newer_version_is_left_alone(database_url: str) -> None:
    await execute(database_url, "UPDATE alembic_version SET version_num = '9999'")
    assert "a newer version has used this database" in run(database_url, "migrate", expected=1)


NOWHERE = "postgresql://u:hidden@127.0.0.1:9/x"
WRONG_OPTIONS = {
    "sslmode=foo": "`sslmode` parameter must be one of: disable, allow,",
    "sslmode=verify-full": 'root certificate file "/nowhere/.postgresql/root.crt" does not exist',
    "sslmode=verify-full&sslrootcert=/nowhere.pem": "sslrootcert: /nowhere.pem: No such file or directory.",
    "sslmode=verify-full&sslrootcert=/dev/null": "sslrootcert (/dev/null) holds no certificate",
    "target_session_attrs=foo": "target_session_attrs is one of any, primary, standby,",
    "gsslib=foo": "gsslib parameter must be either",
    "hidden": "a port or an option in it cannot be read",
}


@pytest.mark.parametrize("option", WRONG_OPTIONS)
def test_a_wrong_option_of_the_address_is_one_sentence(option: str) -> None:
    said = run(f"{NOWHERE}?{option}", "migrate", expected=1, HOME="/nowhere")  # at once: it waits for no server
    assert said.startswith(f"DATABASE_URL: {WRONG_OPTIONS[option]}")
    assert said.count("\n") == 1
    assert "hidden" not in said


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("ml_service.cli", ("admin", "show", "anna")),
        ("services.app.main", ()),
        ("services.bot.bot", ()),
        ("services.ml_worker.worker", ()),
    ],
)
def test_each_service_and_command_says_so_and_ends(module: str, arguments: tuple[str, ...]) -> None:
    more = {"TELEGRAM_TOKEN": "123456:ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghi", "PORT": "0"}
    said = run(f"{NOWHERE}?sslmode=foo", *arguments, module=module, expected=1, **more)
    assert said.splitlines()[-1].startswith("DATABASE_URL: `sslmode` parameter")
    broker = "amqp://u:hidden@h/?heartbeat=x"
    said = run(NOWHERE, *arguments, module=module, expected=1, AMQP_URL=broker, **more)
    assert said.splitlines()[-1] == "AMQP_URL: after its ? there may be cafile, and not heartbeat."


async def test_an_option_that_no_server_knows_is_one_sentence(database_url: str) -> None:
    said = run(f"{database_url}&foo=bar", "migrate", expected=1)
    assert said.startswith('The database refuses an option of DATABASE_URL: unrecognized configuration parameter "foo"')
