"""What tests of webhooks ask the API."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.service import Person
from tests.support.waiting import PATIENCE_S

LOCAL = {"webhook_networks": "127.0.0.0/8", "webhook_timeout_s": 1.5}
ALL = [f"prediction.{one}" for one in ("succeeded", "failed", "canceled", "expired")]


async def create(person: Person, url: str, events: list[str] | None = None, **more: Any) -> dict[str, Any]:
    answer = await person.post("/webhooks", {"url": url, "events": events or ALL, **more})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def patch(person: Person, webhook_id: str, **body: Any) -> Any:
    return await person.client.patch(f"/webhooks/{webhook_id}", json=body, headers=person.headers)


async def log_of(person: Person, webhook_id: str) -> list[dict[str, Any]]:
    answer = await person.get(f"/webhooks/{webhook_id}/deliveries")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def ended(person: Person, webhook_id: str, count: int = 1, seconds: float = PATIENCE_S) -> list[dict[str, Any]]:
    """The log, when so many messages are no longer pending."""
    async with asyncio.timeout(seconds):
        while True:
            found = await log_of(person, webhook_id)
            if sum(one["state"] != "pending" for one in found) >= count:
                return found
            await asyncio.sleep(0.02)


async def attempted(person: Person, webhook_id: str, count: int = 1) -> dict[str, Any]:
    """The last message, when it has been sent so many times."""
    async with asyncio.timeout(PATIENCE_S):
        while not (found := await log_of(person, webhook_id)) or len(found[0]["attempts"]) < count:
            await asyncio.sleep(0.02)
    return found[0]
