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


def run(url: str, *arguments: str, expected: int = 0) -> str:
    env = {"PATH": os.environ["PATH"], "DATABASE_URL": url, "SETTINGS_FOLDER": "/nowhere", "COLUMNS": "200"}
    command = [sys.executable, "-m", "ml_service.cli", *arguments]
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
