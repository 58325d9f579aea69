"""Files that are sent twice with one Idempotency-Key, and overlap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ml_service.usecases.bulk import Bulk
from tests.support.bulk import JSONL, left_behind, lines, sent
from tests.support.service import Person, Service, StartService, code_of


async def test_a_slow_twin_is_answered_with_the_job_that_took_its_credits(service: Service, anna: Person) -> None:
    """The first upload was accepted while the second one was still being sent."""
    content = lines(*({"text": str(one)} for one in range(60)))
    is_begun, may_end = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield content[:100]
        is_begun.set()
        await may_end.wait()
        yield content[100:]

    second = asyncio.create_task(sent(anna, slow(), Idempotency_Key="k"))
    await is_begun.wait()
    first = await sent(anna, content, Idempotency_Key="k")
    assert first.status_code == 202, first.text
    may_end.set()
    answer = await second
    assert (answer.status_code, answer.json().get("bulk_id")) == (202, first.json()["bulk_id"]), answer.text
    assert answer.headers["idempotent-replayed"] == "true"
    assert await anna.balance() == (40, 60)
    assert await left_behind(service) == [1, 1]
    assert code_of(await sent(anna, content, Idempotency_Key="other")) == (402, "insufficient_credits")


@pytest.mark.parametrize("why", ["credits", "jobs", "cap", "blocked"])
async def test_a_twin_is_never_refused_for_what_the_first_has_used(
    start_service: StartService, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    async with start_service(bulk_jobs_per_user_max=1 if why == "jobs" else 10) as service:
        anna = await service.join("anna")
        content = lines(*({"text": str(one)} for one in range(60)))
        headers = JSONL | {"Idempotency-Key": "k", **anna.headers}
        if why == "cap":
            fields = {"name": "ci", "scopes": ["bulk"], "spend_cap": {"credits": 70, "per": "day"}}
            made = (await anna.post("/api-keys", fields)).json()
            headers["Authorization"] = f"Bearer {made['key']}"
        known, asked = Bulk._known, list[str | None]()

        async def late(self: Bulk, principal: Any, key: str) -> Any:
            """The twin looked for the key before the first one was accepted, and the rest comes after it."""
            asked.append(key)
            if len(asked) > 1:
                return await known(self, principal, key)
            first.append((await service.client.post("/bulk", content=content, headers=headers)).json())
            if why == "blocked":
                async with service.database.autocommit() as session:
                    await session.execute("UPDATE users SET is_blocked = true")
            return None

        first: list[Any] = []
        monkeypatch.setattr(Bulk, "_known", late)
        answer = await service.client.post("/bulk", content=content, headers=headers)
        assert (answer.status_code, answer.json().get("bulk_id")) == (202, first[0]["bulk_id"]), answer.text
        assert await left_behind(service) == [1, 1]
