"""A steady load that retries as a careful client does, and what must hold when it has ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2

from tests.support.system import PATIENCE_S, System

CLIENTS = 4
PAUSE_S = 0.1
PAGE = 200


@dataclass
class SteadyLoad:
    """Asks the echo model, each time with a text and an Idempotency-Key of its own."""

    client: httpx2.AsyncClient
    asked: dict[str, str] = field(default_factory=dict)
    accepted: dict[str, str] = field(default_factory=dict)
    """Prediction ids by key."""
    retries: int = 0
    is_over: bool = False

    async def submit(self, key: str) -> str:
        """Ask until it is accepted; the prediction's id."""
        end = time.monotonic() + PATIENCE_S
        said: object = None
        while time.monotonic() < end:
            try:
                answer = await self.client.post(
                    "/predictions/predict",
                    json={"model": "echo", "input": {"text": self.asked[key]}},
                    headers={"Idempotency-Key": key},
                )
            except httpx2.TransportError as error:
                said = error
            else:
                if answer.status_code in (200, 202):
                    return str(answer.json()["id"])
                assert answer.status_code == 429 or answer.status_code >= 500, answer.text
                assert answer.headers["content-type"] == "application/problem+json", answer.text
                said = answer.text
            self.retries += 1
            await asyncio.sleep(PAUSE_S)
        raise AssertionError(f"not accepted in {PATIENCE_S} s: {said!r}")

    async def go_on(self) -> None:
        """Ask one after another."""
        while not self.is_over:
            key = str(uuid4())
            self.asked[key] = f"text of {key}"
            self.accepted[key] = await self.submit(key)
            await asyncio.sleep(PAUSE_S)

    async def progress(self, count: int = 20) -> None:
        """Wait until ``count`` more are accepted."""
        wanted = len(self.accepted) + count
        async with asyncio.timeout(PATIENCE_S):
            while len(self.accepted) < wanted:
                await asyncio.sleep(0.05)

    async def history(self) -> list[dict[str, Any]]:
        """All predictions of the user."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            parameters = {"limit": PAGE} | ({"cursor": cursor} if cursor else {})
            page = (await self.client.get("/predictions", params=parameters)).raise_for_status().json()
            found += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    async def drained(self) -> list[dict[str, Any]]:
        """The history once nothing in it is unfinished."""
        end = time.monotonic() + PATIENCE_S
        while True:
            found = await self.history()
            unfinished = [one for one in found if one["status"] in ("queued", "processing")]
            if not unfinished:
                return found
            assert time.monotonic() < end, f"{len(unfinished)} of {len(found)} unfinished, as {unfinished[0]}"
            await asyncio.sleep(0.3)

    async def check(self, credits_: int) -> None:
        """Hold it to the books' invariants, as a client can see them; ``credits_`` were there at first."""
        found = await self.drained()
        assert sorted(self.accepted.values()) == sorted(one["id"] for one in found)
        texts = {self.accepted[key]: self.asked[key] for key in self.accepted}
        expected = {id_: ("succeeded", {"text": text}) for id_, text in texts.items()}
        actual = {one["id"]: (one["status"], one["output"]) for one in found}
        assert expected == actual
        balance = (await self.client.get("/balance")).raise_for_status().json()
        assert balance == {"balance": credits_ - len(found), "held": 0}
        for key in list(self.accepted)[:10]:
            assert self.accepted[key] == await self.submit(key)


@contextlib.asynccontextmanager
async def steady(system: System, username: str, credits_: int = 5000) -> AsyncIterator[SteadyLoad]:
    """SteadyLoad the system with a new user's requests while the block runs; then let it drain and check everything."""
    with await asyncio.to_thread(system.register, username, credits_) as signed_in:
        headers = {"Authorization": signed_in.headers["Authorization"]}
        starting = signed_in.get("/balance").json()["balance"]
    async with httpx2.AsyncClient(base_url=system.url, headers=headers, timeout=30) as client:
        load = SteadyLoad(client)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(CLIENTS):
                    group.create_task(load.go_on())
                await load.progress()
                yield load
                await load.progress()
                load.is_over = True
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from errors
        await load.check(starting)
    assert "The books are right." in await asyncio.to_thread(system.run, "--cli", "audit")
