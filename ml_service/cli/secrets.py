"""`ml-service secrets`: the settings and the generated secrets of the containers.

`make` reads the project's files of settings once, with the one reader, and gives each service a folder of its own with
one file for each setting that it has (SECRETS_FOLDER): a container that is mounted only its own knows no other's, and
the files may be closed to everybody but their owner. nginx is told the one that it shares with the app. The generated
secrets stand in `setup/secrets.json`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import asyncpg
import typer

from ml_service.cli.common import command, err, out
from ml_service.platform.generated_secrets import (
    DamagedSecrets,
    fresh_secrets,
    keep_secrets,
    read_secrets,
    write_secret,
    write_secrets,
)
from ml_service.platform.rabbitmq_users import definitions
from ml_service.platform.settings.app import AppSettings
from ml_service.platform.settings.files import SettingsError, read_file
from ml_service.platform.settings.reading import PROJECT_FILE, SERVICES, collect, file_of, load, unknown_settings

ROLES = {"app": "ml_service_app", "bot": "ml_service_bot", "ml_worker": "ml_service_worker"}
"""Who connects to the database and the broker, and as which role."""
DATABASE = "ml_service"
BYTES = {"jwt_secret": 48, "postgres": 24, **dict.fromkeys(ROLES, 24)}
KEPT = "setup/secrets.json"
ROLES_FILE = "setup/roles.json"
FOLDERS = ("setup", "postgres", "rabbitmq", "nginx", *ROLES)
_INNER_NETWORKS = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7"
DEFAULTS: Mapping[str, Mapping[str, str]] = {
    # nginx alone speaks to the app from another container, and writes X-Forwarded-For itself.
    "app": {"TRUSTED_PROXIES": _INNER_NETWORKS, "METRICS_NETWORKS": f"127.0.0.0/8,::1,{_INNER_NETWORKS}"},
}
"""What is another default in containers."""
_EVERYWHERE = ("0.0.0.0", "::", "[::]", "*")  # noqa: S104 - as people write it
_READABLE = 0o444
"""By any user of the containers that are mounted the folder; nobody else can get there."""

app = typer.Typer(help="Make, keep and change the generated secrets of the containers.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="Where they are kept; it must be there.")]


def _fail(text: str) -> typer.Exit:
    err.print(text)
    return typer.Exit(1)


def _write(file: Path, text: str) -> None:
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        write_secret(file, text, _READABLE)


def _generated(kept: Mapping[str, str], service: str) -> dict[str, str]:
    role, password = ROLES[service], kept[service]
    values = {
        "DATABASE_URL": f"postgresql://{role}:{password}@postgres/{DATABASE}",
        "AMQP_URL": f"amqp://{role}:{password}@rabbitmq:5672/",
    }
    return values | ({"JWT_SECRET": kept["jwt_secret"]} if service == "app" else {})


def write_all(folder: Path, kept: Mapping[str, str]) -> None:
    """Write what is derived from ``kept`` and the settings: a file for each setting of each service.

    Raises:
        SettingsError: a setting is wrong.
    """
    project = Path(os.environ.get("SETTINGS_FOLDER") or ".")
    environment = {name: value for name, value in os.environ.items() if name != "SECRETS_FOLDER"}
    _check_host(project, environment)
    mode = "demo"
    for settings in SERVICES:
        service = settings.service
        generated = {**DEFAULTS.get(service, {}), **_generated(kept, service)}
        loaded = load(settings, folder=project, environment=environment, generated=generated)
        mode = loaded.mode
        if isinstance(loaded, AppSettings):
            _write(folder / "nginx" / "body_bytes_max", str(loaded.body_bytes_max))
        values = collect(settings, folder=project, environment=environment, generated=generated)
        for name, value in values.items():
            _write(folder / service / name.lower(), value)
        for file in (folder / service).iterdir():
            if file.is_file() and file.name.upper() not in values:
                file.unlink()
    _write(folder / "postgres" / "password", kept["postgres"])
    _write(folder / "setup" / "database_url", f"postgresql://postgres:{kept['postgres']}@postgres/{DATABASE}")
    _write(folder / ROLES_FILE, json.dumps({role: kept[service] for service, role in ROLES.items()}))
    passwords = {role: kept[service] for service, role in ROLES.items()}
    guest = {"guest": "guest"} if mode == "demo" else {}
    users = definitions(passwords | guest, administrators=guest, closed=[] if guest else ["guest"])
    _write(folder / "rabbitmq" / "definitions.json", json.dumps(users, indent=1))
    for sentence in unknown_settings(project):
        err.print(sentence)


def _check_host(project: Path, environment: Mapping[str, str]) -> None:
    """Refuse a HOST that Compose does not publish nginx's port at: who closes the service must not find it open."""
    published, _, port = environment.get("HTTP_PORT", "80").rpartition(":")
    for name in (PROJECT_FILE, file_of(AppSettings.service)):
        host = read_file(project / name).get("HOST")
        if host and host not in _EVERYWHERE and host.strip("[]") != published.strip("[]"):
            raise SettingsError(
                f"{name}: HOST={host} has no effect in containers. Write HTTP_PORT={host}:{port} into .env instead."
            )


def _kept(folder: Path) -> dict[str, str]:
    try:
        return read_secrets(folder / KEPT)
    except DamagedSecrets as error:
        raise _fail(str(error)) from None


def _check(folder: Path) -> None:
    missing = [name for name in FOLDERS if not (folder / name).is_dir()]
    closed = [name for name in FOLDERS if name not in missing and not os.access(folder / name, os.W_OK)]
    if missing or closed:
        why = f"has no folder {missing[0]}" if missing else f"has a folder {closed[0]} that may not be written"
        raise _fail(f"{folder} {why}.")


@app.command()
def make(folder: Folder) -> None:
    """Make what is missing, keep what is there, and give each service the settings that the project's files say."""
    _check(folder)
    try:
        kept, missing = keep_secrets(folder / KEPT, BYTES, _READABLE)
        write_all(folder, kept)
    except (DamagedSecrets, SettingsError) as error:
        raise _fail(str(error)) from None
    out.print(f"Made {', '.join(missing)}." if missing else "All secrets are there.")


@app.command()
def rotate(folder: Folder) -> None:
    """Replace all of them. They take effect with the next `docker compose up -d --force-recreate`."""
    _check(folder)
    old = _kept(folder)
    fresh = fresh_secrets(BYTES)
    if old.get("postgres"):
        fresh["postgres_before"] = old.get("postgres_before") or old["postgres"]  # `apply` signs in with it once
    write_secrets(folder / KEPT, fresh, _READABLE)
    try:
        write_all(folder, fresh)
    except SettingsError as error:
        raise _fail(str(error)) from None
    out.print("All secrets are new. Now: docker compose up -d --force-recreate")


@app.command()
def worker_urls(
    folder: Folder,
    *,
    address: Annotated[str, typer.Option(help="Where the workers reach PostgreSQL and RabbitMQ.")],
) -> None:
    """Print what workers on another machine need: DATABASE_URL and AMQP_URL."""
    if not re.fullmatch(r"[A-Za-z0-9._:%-]+|\[[0-9A-Fa-f.:%A-Za-z]+\]", address):
        raise _fail(f"{address!r} is no host's name or address.")
    kept = _kept(folder)
    if not kept:
        raise _fail("There are no secrets yet: start the system first.")
    host = f"[{address}]" if ":" in address and not address.startswith("[") else address  # IPv6
    role, password = ROLES["ml_worker"], kept["ml_worker"]
    out.print(f"DATABASE_URL=postgresql://{role}:{password}@{host}/{DATABASE}")
    out.print(f"AMQP_URL=amqp://{role}:{password}@{host}:5672/")


@app.command()
@command
async def apply(folder: Folder) -> None:
    """Give the database's roles the passwords that stand in FOLDER; makes the roles on a new server."""
    kept = _kept(folder)
    connection = await _superuser(folder, kept)
    try:
        passwords = {role: kept[service] for service, role in ROLES.items()} | {"postgres": kept["postgres"]}
        async with connection.transaction():
            there = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
            for role, password in passwords.items():
                verb = "ALTER" if role in there else "CREATE"
                # A password is no parameter in this statement; ours consist of letters, digits, _ and -.
                await connection.execute(f"{verb} ROLE {role} LOGIN PASSWORD '{password}'")
    finally:
        await connection.close()
    if kept.pop("postgres_before", None):
        write_secrets(folder / KEPT, kept, _READABLE)
    out.print("The database's roles have their passwords.")


async def _superuser(folder: Path, kept: Mapping[str, str]) -> asyncpg.Connection[asyncpg.Record]:
    url = (folder / "setup" / "database_url").read_text(encoding="utf-8")
    try:
        return await asyncpg.connect(url, timeout=10)
    except asyncpg.InvalidPasswordError:
        if "postgres_before" not in kept:
            raise _fail("The database's superuser has another password than the one in the secrets.") from None
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise _fail(f"The database does not answer: {error}") from None
    return await asyncpg.connect(url, password=kept["postgres_before"], timeout=10)
