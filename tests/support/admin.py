"""Requests of admins, and the log of what they did."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx2

from ml_service.platform.settings.app import AppSettings
from ml_service.storage import admin_actions
from services.app.wiring import create_app
from tests.support.service import Person, Service

UNKNOWN = "019a0b5e-7c1d-7000-8000-3f2a1b4c5d6e"


def admin_routes() -> list[tuple[str, str, str, Any]]:
    """Method, path, address and a valid body of every admin route."""
    document = json.loads(json.dumps(create_app(AppSettings()).openapi()))
    found = []
    for path, methods in document["paths"].items():
        if not path.startswith("/admin"):
            continue
        address = re.sub(r"\{\w+\}", UNKNOWN, path.replace("{name}", "echo"))
        for method, operation in methods.items():
            body = None
            if "requestBody" in operation:
                reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
                body = document["components"]["schemas"][reference.rpartition("/")[2]]["examples"][0]
            found.append((method, path, address, body))
    return found


def routes_of(text: str) -> set[str]:
    """The routes of a table, divided by lines and dots."""
    return {one.strip() for one in re.split(r"[·\n]", text) if one.strip()}


async def id_of(person: Person) -> str:
    return str((await person.get("/users/me")).json()["id"])


async def change(person: Person, method: str, url: str, body: Any, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await person.client.request(method, url, json=body, headers=person.headers | named)


async def logged(service: Service) -> list[tuple[str, str, str, Any, Any, str | None]]:
    """The log, the earliest first."""
    async with service.database.autocommit() as session:
        found = await admin_actions.page(session, before=None, limit=100)
    return [
        (
            one.actor,
            one.action,
            one.target.partition(":")[0],
            one.before and json.loads(one.before),
            one.after and json.loads(one.after),
            one.reason,
        )
        for one in reversed(found)
    ]
