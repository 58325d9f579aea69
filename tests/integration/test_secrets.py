"""`ml-service secrets`: made once, kept, changed on demand, and a folder for each service that holds only its own."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from ml_service.cli.secrets import FOLDERS, ROLES

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "secrets"
    for name in FOLDERS:
        (made / name).mkdir(parents=True)
    return made


def secrets(*arguments: object, expected: int = 0, **environment: str) -> str:
    command = [sys.executable, "-m", "ml_service.cli", "secrets", *map(str, arguments)]
    env = {"PATH": os.environ["PATH"], "SETTINGS_FOLDER": "/nowhere", **environment}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == expected, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def all_files(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in sorted(folder.glob("*/*"))}


def can_sign_in(folder: Path, name: str, password: str) -> bool:
    """As RabbitMQ decides it."""
    users = json.loads((folder / "rabbitmq/definitions.json").read_text())["users"]
    (user,) = [user for user in users if user["name"] == name]
    stored = base64.b64decode(user["password_hash"])
    return bool(stored) and stored[4:] == hashlib.sha256(stored[:4] + password.encode()).digest()


def test_secrets_are_made_once_and_kept(folder: Path) -> None:
    assert "Made jwt_secret" in secrets("make", folder)
    made = all_files(folder)
    assert "All secrets are there." in secrets("make", folder)
    assert all_files(folder) == made
    assert len(made["app/jwt_secret"]) >= 32
    for service, role in ROLES.items():
        password = made[f"{service}/database_url"].split(":")[2].split("@")[0]
        assert made[f"{service}/database_url"] == f"postgresql://{role}:{password}@postgres/ml_service"
        assert can_sign_in(folder, role, password)
        others = "".join(text for name, text in made.items() if name.split("/")[0] in ROLES.keys() - {service})
        assert password not in others


def test_guest_signs_in_to_the_broker_in_demo_mode_only(folder: Path) -> None:
    secrets("make", folder)
    assert can_sign_in(folder, "guest", "guest")
    secrets("make", folder, MODE="production", SECRETS_FOLDER=str(folder / "app"))
    assert not can_sign_in(folder, "guest", "guest")
    definitions = json.loads((folder / "rabbitmq/definitions.json").read_text())
    assert {"name": "guest", "password_hash": "", "tags": ""} in definitions["users"]  # one of before is closed
    assert all(permission["user"] != "guest" for permission in definitions["permissions"])


def test_the_mode_may_stand_in_the_apps_own_env_file_at_the_first_start(folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MODE=production\n")
    secrets("make", folder, SETTINGS_FOLDER=str(tmp_path), SECRETS_FOLDER=str(folder / "app"))
    assert not can_sign_in(folder, "guest", "guest")


def test_each_service_is_given_the_settings_that_the_projects_files_say(folder: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "services/app").mkdir(parents=True)
    (project / ".env").write_text("MODELS=echo\nLOG_LEVEL=debug\n")
    file = project / "services/app/.env"
    file.write_text("export STARTING_CREDITS='7'\nSTARTNG_CREDITS=8\nTELEGRAM_TOKEN=1:x\n")
    file.chmod(0o600)
    assert "Did you mean STARTING_CREDITS?" in secrets("make", folder, SETTINGS_FOLDER=str(project), MODE="demo")
    made = all_files(folder)
    assert {name: made[name] for name in ("ml_worker/models", "app/starting_credits", "bot/starting_credits")} == {
        "ml_worker/models": "echo",
        "app/starting_credits": "7",
        "bot/starting_credits": "7",
    }
    assert "bot/telegram_token" in made
    assert not {"app/telegram_token", "ml_worker/telegram_token", "ml_worker/jwt_secret", "app/models"} & made.keys()
    assert all(made[f"{service}/mode"] == "demo" for service in ROLES)
    file.write_text("")
    secrets("make", folder, SETTINGS_FOLDER=str(project))
    assert "app/starting_credits" not in all_files(folder)  # what is no longer asked for is gone
    file.write_text("STARTING_CREDITS: 7\n")
    assert "line 1 ('STARTING_CREDITS' …)" in secrets("make", folder, SETTINGS_FOLDER=str(project), expected=1)


@pytest.mark.parametrize(
    ("file", "host", "published", "way_out"),
    [
        ("services/app/.env", "127.0.0.1", "8080", "HTTP_PORT=127.0.0.1:8080"),
        (".env", "127.0.0.1", "0.0.0.0:80", "HTTP_PORT=127.0.0.1:80"),
        ("services/app/.env", "127.0.0.1", "127.0.0.1:80", None),
        ("services/app/.env", "::1", "[::1]:80", None),
        ("services/app/.env", "0.0.0.0", "80", None),  # noqa: S104
        ("services/bot/.env", "127.0.0.1", "80", None),  # no setting of the bot's
    ],
)
def test_a_host_that_is_not_published_is_refused_with_the_way_out(
    folder: Path, tmp_path: Path, file: str, host: str, published: str, way_out: str | None
) -> None:
    project = tmp_path / "project"
    (project / file).parent.mkdir(parents=True)
    (project / file).write_text(f"HOST={host}\n")
    expected = 0 if way_out is None else 1
    said = secrets("make", folder, SETTINGS_FOLDER=str(project), HTTP_PORT=published, expected=expected)
    assert way_out is None or (way_out in " ".join(said.split()) and file in said)


@pytest.mark.parametrize("address", ["10.0.0.1", "fe80::1", "[fe80::1]", "db.example"])
def test_worker_urls_name_any_kind_of_address(folder: Path, address: str) -> None:
    secrets("make", folder)
    lines = secrets("worker-urls", folder, "--address", address).splitlines()
    assert [urlsplit(line.split("=", 1)[1]).hostname for line in lines] == [address.strip("[]")] * 2


def test_a_rotation_changes_all_and_remembers_how_to_get_in(folder: Path) -> None:
    secrets("make", folder)
    before = all_files(folder)
    secrets("rotate", folder)
    after = all_files(folder)
    settings = {"trusted_proxies", "metrics_networks", "model_variables", "body_bytes_max"}
    assert {name for name in before if before[name] == after[name]} == {
        name for name in before if name.split("/")[1] in settings
    }
    first = json.loads(before["setup/secrets.json"])["postgres"]
    assert json.loads(after["setup/secrets.json"])["postgres_before"] == first
    secrets("rotate", folder)  # twice, before the first was applied: the server still knows the first one
    assert json.loads(all_files(folder)["setup/secrets.json"])["postgres_before"] == first


def test_a_folder_that_is_not_as_it_must_be_is_one_sentence(folder: Path, tmp_path: Path) -> None:
    assert "has no folder setup" in secrets("make", tmp_path / "nothing", expected=1)
    (folder / "setup/secrets.json").write_text("{")
    assert "cannot be read" in secrets("make", folder, expected=1)


def test_apply_gives_the_roles_their_passwords_and_forgets_the_one_before(folder: Path, database_url: str) -> None:
    secrets("make", folder)
    secrets("rotate", folder)
    url = folder / "setup/database_url"
    url.unlink()
    url.write_text(database_url)
    assert "have their passwords" in secrets("apply", folder)
    kept: dict[str, Any] = json.loads((folder / "setup/secrets.json").read_text())
    assert "postgres_before" not in kept

    async def stored() -> dict[str, str | None]:
        connection = await asyncpg.connect(database_url)
        try:
            rows = await connection.fetch("SELECT rolname, rolpassword FROM pg_authid WHERE rolcanlogin")
        finally:
            await connection.close()
        return {row["rolname"]: row["rolpassword"] for row in rows}

    passwords = asyncio.run(stored())
    assert all((passwords[role] or "").startswith("SCRAM-SHA-256$") for role in [*ROLES.values(), "postgres"])


def test_apply_without_a_database_is_one_sentence(folder: Path) -> None:
    secrets("make", folder)
    url = folder / "setup/database_url"
    url.unlink()
    url.write_text("postgresql://postgres@127.0.0.1:1/ml_service")
    assert "does not answer" in secrets("apply", folder, expected=1)
