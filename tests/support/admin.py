"""Requests of admins, and the log of what they did."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from ml_service.storage import admin_actions
from tests.support.service import Person, Service


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
