"""`ml-service secrets`: makes, keeps and changes the generated secrets of the containers.

Each service gets a folder of its own with one file per setting (SECRETS_FOLDER), so that a container that is mounted
only its own knows no other's. What all of them are derived from stands in `setup/secrets.json`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import typer

from ml_service.cli.common import command, err, out
from ml_service.settings import read_settings

SERVICES = {"app": "ml_service_app", "bot": "ml_service_bot", "ml_worker": "ml_service_worker"}
"""Who connects to the database and the broker, and as which role."""
DATABASE = "ml_service"
BYTES = {"jwt_secret": 48, "postgres": 24, **dict.fromkeys(SERVICES, 24)}
KEPT = "setup/secrets.json"
ROLES = "setup/roles.json"
FOLDERS = ("setup", "postgres", "rabbitmq", *SERVICES)

app = typer.Typer(help="Make, keep and change the generated secrets of the containers.", no_args_is_help=True)

Folder = Annotated[Path, typer.Argument(help="Where they are kept; it must be there.")]


def _write(file: Path, text: str) -> None:
    """Replace ``file`` in one step. Whoever is mounted its folder may read it; nobody else can get there."""
    if file.exists() and file.read_text() == text:
        return
    fresh = file.with_name(file.name + ".new")
    fresh.write_text(text)
    fresh.chmod(0o444)
    fresh.replace(file)


def _kept(folder: Path) -> dict[str, str]:
    try:
        value = json.loads((folder / KEPT).read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        err.print(f"{folder / KEPT} cannot be read: restore it from a backup, or delete it to have new secrets made.")
        raise typer.Exit(1) from None
    return {str(name): str(secret) for name, secret in value.items()}


def _broker_user(name: str, password: str, *tags: str) -> dict[str, Any]:
    """A user as RabbitMQ's definitions have it: base64(salt + sha256(salt + password)); no password: no sign-in.

    https://www.rabbitmq.com/docs/passwords#computing-password-hash
    """
    if not password:
        return {"name": name, "password_hash": "", "tags": ""}
    salt = hashlib.sha256(f"{name}:{password}".encode()).digest()[:4]  # the same each time: nothing changes in vain
    hashed = salt + hashlib.sha256(salt + password.encode()).digest()
    return {
        "name": name,
        "password_hash": base64.b64encode(hashed).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": ",".join(tags),
    }


def _definitions(kept: Mapping[str, str], *, demo: bool) -> dict[str, Any]:
    names = [*SERVICES.values(), *(["guest"] if demo else [])]
    return {
        "vhosts": [{"name": "/"}],
        "users": [
            *(_broker_user(role, kept[service]) for service, role in SERVICES.items()),
            _broker_user("guest", "guest" if demo else "", "administrator"),
        ],
        "permissions": [{"user": name, "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"} for name in names],
    }


def write_all(folder: Path, kept: Mapping[str, str]) -> None:
    """Write what is derived from ``kept``: a file for each setting of each service."""
    _write(folder / "app" / "jwt_secret", kept["jwt_secret"])  # first: in production no settings can be read without
    for service, role in SERVICES.items():
        password = kept[service]
        _write(folder / service / "database_url", f"postgresql://{role}:{password}@postgres/{DATABASE}")
        _write(folder / service / "amqp_url", f"amqp://{role}:{password}@rabbitmq:5672/")
    _write(folder / "postgres" / "password", kept["postgres"])
    _write(folder / "setup" / "database_url", f"postgresql://postgres:{kept['postgres']}@postgres/{DATABASE}")
    _write(folder / ROLES, json.dumps({role: kept[service] for service, role in SERVICES.items()}))
    demo = read_settings("app").mode == "demo"
    _write(folder / "rabbitmq" / "definitions.json", json.dumps(_definitions(kept, demo=demo), indent=1))


def _check(folder: Path) -> None:
    missing = [name for name in FOLDERS if not (folder / name).is_dir()]
    closed = [name for name in FOLDERS if name not in missing and not os.access(folder / name, os.W_OK)]
    if missing or closed:
        why = f"has no folder {missing[0]}" if missing else f"has a folder {closed[0]} that may not be written"
        err.print(f"{folder} {why}.")
        raise typer.Exit(1)


@app.command()
def make(folder: Folder) -> None:
    """Make what is missing; what is there stays. MODE says whether RabbitMQ's guest may sign in."""
    _check(folder)
    kept = _kept(folder)
    missing = [name for name in BYTES if not kept.get(name)]
    if missing:
        kept |= {name: secrets.token_urlsafe(BYTES[name]) for name in missing}
        _write(folder / KEPT, json.dumps(kept))
    write_all(folder, kept)
    out.print(f"Made {', '.join(missing)}." if missing else "All secrets are there.")


@app.command()
def rotate(folder: Folder) -> None:
    """Make all of them anew. They hold from the next `docker compose up -d --force-recreate` on."""
    _check(folder)
    old = _kept(folder)
    fresh = {name: secrets.token_urlsafe(length) for name, length in BYTES.items()}
    if old.get("postgres"):
        fresh["postgres_before"] = old.get("postgres_before") or old["postgres"]  # `apply` signs in with it once
    _write(folder / KEPT, json.dumps(fresh))
    write_all(folder, fresh)
    out.print("All secrets are new. Now: docker compose up -d --force-recreate")


@app.command()
def worker_urls(
    folder: Folder,
    *,
    address: Annotated[str, typer.Option(help="Where the workers reach PostgreSQL and RabbitMQ.")],
) -> None:
    """Print what workers on another machine need: DATABASE_URL and AMQP_URL."""
    kept = _kept(folder)
    if not kept:
        err.print("There are no secrets yet: start the system first.")
        raise typer.Exit(1)
    role, password = SERVICES["ml_worker"], kept["ml_worker"]
    out.print(f"DATABASE_URL=postgresql://{role}:{password}@{address}/{DATABASE}")
    out.print(f"AMQP_URL=amqp://{role}:{password}@{address}:5672/")


@app.command()
@command
async def apply(folder: Folder) -> None:
    """Give the database's roles the passwords that stand in FOLDER; makes the roles on a new server."""
    kept = _kept(folder)
    connection = await _superuser(folder, kept)
    try:
        passwords = {role: kept[service] for service, role in SERVICES.items()} | {"postgres": kept["postgres"]}
        async with connection.transaction():
            there = {row["rolname"] for row in await connection.fetch("SELECT rolname FROM pg_roles")}
            for role, password in passwords.items():
                verb = "ALTER" if role in there else "CREATE"
                # A password is no parameter in this statement; ours consist of letters, digits, _ and -.
                await connection.execute(f"{verb} ROLE {role} LOGIN PASSWORD '{password}'")
    finally:
        await connection.close()
    if kept.pop("postgres_before", None):
        _write(folder / KEPT, json.dumps(kept))
    out.print("The database's roles have their passwords.")


async def _superuser(folder: Path, kept: Mapping[str, str]) -> asyncpg.Connection[asyncpg.Record]:
    url = (folder / "setup" / "database_url").read_text()
    try:
        return await asyncpg.connect(url, timeout=10)
    except asyncpg.InvalidPasswordError:
        if "postgres_before" not in kept:
            err.print("The database's superuser has another password than the one in the secrets.")
            raise typer.Exit(1) from None
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        err.print(f"The database does not answer: {error}")
        raise typer.Exit(1) from None
    return await asyncpg.connect(url, password=kept["postgres_before"], timeout=10)
