"""Event streams of whole systems: cut by restarts of an app, of PostgreSQL and of RabbitMQ, and taken up again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest

from engine.native.postgres import PostgresNode
from engine.native.rabbitmq import RabbitNode
from ml_service.storage.changes import BEHIND_MAX
from tests.faults.test_publish_faults import SETTLED_S
from tests.support.checker import connected, violations
from tests.support.load import Load, loading
from tests.support.rig import PATIENCE_S, Rig, running_rig, started
from tests.support.waiting import until

pytestmark = pytest.mark.timeout(400)

State = tuple[str, str, int]

STREAM_S = 1.5


class EventTab:
    """A page that follows a user's events at one app after the other, and keeps what it was told."""

    def __init__(self, urls: Sequence[str], headers: dict[str, str]) -> None:
        self._urls = urls
        self._headers = headers
        self._last_id = ""
        self.told: set[State] = set()
        self.told_twice: list[State] = []
        self.began_at = datetime.now(UTC)
        self.balance: dict[str, int] = {}
        self.snapshots = 0
        self.connections = 0

    async def follow(self) -> None:
        """Follow until cancelled; leave the stream after a while, and take it up again at the other app."""
        timeout = httpx2.Timeout(20, read=30)
        async with httpx2.AsyncClient(timeout=timeout) as client:
            while True:
                url = self._urls[self.connections % len(self._urls)]
                self.connections += 1
                with suppress(httpx2.HTTPError, TimeoutError):
                    async with asyncio.timeout(STREAM_S):
                        await self._read(client, url)
                await asyncio.sleep(0.05)

    async def _read(self, client: httpx2.AsyncClient, url: str) -> None:
        headers = self._headers | ({"Last-Event-ID": self._last_id} if self._last_id else {})
        async with client.stream("GET", f"{url}/events", headers=headers) as answer:
            event: dict[str, str] = {}
            async for line in answer.aiter_lines():
                name, _, value = line.partition(": ")
                if line:
                    event[name] = value
                    continue
                if "data" in event:
                    self._take(event["event"], json.loads(event["data"]))
                    self._last_id = event["id"]
                event = {}

    def _take(self, name: str, data: dict[str, Any]) -> None:
        if name == "snapshot":
            # What ended before it is no longer told: a page reads that from its history.
            self.snapshots += 1
            self.began_at = datetime.now(UTC)
            self.told = {(one["id"], one["status"], one["attempts"]) for one in data["open"]}
        elif name == "prediction":
            state = (data["id"], data["status"], data["attempts"])
            self.told_twice += [state] if state in self.told else []
            self.told.add(state)
        if name != "prediction":
            self.balance = {"balance": data["balance"], "held": data["held"]}


@asynccontextmanager
async def tabs_of(rig: Rig, load: Load) -> AsyncIterator[dict[str, EventTab]]:
    tabs = {user: EventTab(rig.urls, await load.sign_in(rig.urls[0], user)) for user in load.users}
    tasks = [asyncio.create_task(tab.follow()) for tab in tabs.values()]
    try:
        await until(lambda: all(tab.snapshots for tab in tabs.values()), PATIENCE_S)
        yield tabs
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def ends_of(owner_url: str, user: str) -> tuple[dict[str, tuple[str, datetime]], dict[str, int]]:
    """The final state of each of a user's predictions and when it came, and the credits."""
    async with connected(owner_url) as session:
        rows = await session.fetch(
            "SELECT p.id::text, p.status, p.finished_at FROM predictions AS p JOIN users AS u ON u.id = p.user_id"
            " WHERE u.username = $1 AND p.finished_at IS NOT NULL",
            user,
        )
        credit = await session.fetchrow(
            "SELECT u.balance, (SELECT coalesce(sum(cost), 0)::bigint FROM predictions AS p"
            " WHERE p.user_id = u.id AND p.finished_at IS NULL) AS held FROM users AS u WHERE username = $1",
            user,
        )
    assert credit is not None
    return {row["id"]: (row["status"], row["finished_at"]) for row in rows}, dict(credit)


async def movements_of(owner_url: str, user: str) -> int:
    """How many movements of credits a user has."""
    async with connected(owner_url) as session:
        return int(
            await session.fetchval(
                "SELECT count(*) FROM transactions AS t JOIN users AS u ON u.id = t.user_id WHERE u.username = $1", user
            )
        )


@pytest.mark.parametrize("fault", ["app", "postgres", "rabbitmq"])
async def test_streams_miss_and_double_nothing_over_restarts(
    noted_url: str, amqp_url: str, postgres_node: PostgresNode, rabbit_node: RabbitNode, fault: str
) -> None:
    async with running_rig(noted_url, amqp_url) as rig:
        load = Load(rig.urls)
        await load.register()
        async with tabs_of(rig, load) as tabs:
            async with loading(load):
                await asyncio.sleep(SETTLED_S)
                for number in range(2):
                    await load.progress(20)
                    if fault == "app":
                        await rig.apps[number].restart()
                    else:
                        node = postgres_node if fault == "postgres" else rabbit_node
                        node.kill()
                        await asyncio.sleep(0.5)
                        await started(node)
                await load.progress(20)
            for user, tab in tabs.items():
                await _until_told(noted_url, user, tab)
                assert tab.told_twice == []
                # A stream that fell thousands of movements behind begins again: a machine may be slow enough for that.
                assert tab.snapshots <= 1 + await movements_of(noted_url, user) // BEHIND_MAX
                assert tab.connections > 3
        assert await violations(rig, load) == []


async def _until_told(owner_url: str, user: str, tab: EventTab) -> None:
    """Wait until the tab knows how each prediction has ended since its stream began, and what the credits are."""
    missed: object = None
    for _ in range(int(PATIENCE_S)):
        ends, credit = await ends_of(owner_url, user)
        known = {one: status for one, status, _ in tab.told if status not in {"queued", "processing"}}
        untold = {one for one, (_, at) in ends.items() if at > tab.began_at and one not in known}
        wrong = {one: status for one, status in known.items() if one not in ends or ends[one][0] != status}
        missed = (len(ends), untold, wrong, credit, tab.balance)
        if credit["held"] == 0 and not untold and not wrong and tab.balance == credit:
            return
        await asyncio.sleep(1)
    raise AssertionError(missed)
