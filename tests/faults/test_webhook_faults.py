"""Receivers that are away, and deliverers that die between sending and marking."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import httpx2
import pytest

from tests.support.load import PASSWORD
from tests.support.ports import free_port
from tests.support.receiver import HookReceiver
from tests.support.rig import Setup, running_rig
from tests.support.waiting import PATIENCE_S

pytestmark = pytest.mark.timeout(300)

ENV = {"WEBHOOK_NETWORKS": "127.0.0.0/8"}
MARK = "ml_service.storage.webhook_deliveries.mark"


async def signed_in(client: httpx2.AsyncClient) -> None:
    """Register somebody, and ask as them from now on."""
    assert (await client.post("/users", json={"username": "anna", "password": PASSWORD})).status_code == 201
    token = (await client.post("/token", data={"username": "anna", "password": PASSWORD})).json()["access_token"]
    client.headers["Authorization"] = f"Bearer {token}"


async def webhook(client: httpx2.AsyncClient, url: str) -> str:
    body = {"url": url, "events": ["prediction.canceled"]}
    answer = await client.post("/webhooks", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def delivered(client: httpx2.AsyncClient, webhook_id: str, count: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            items = (await client.get(f"/webhooks/{webhook_id}/deliveries")).json()["items"]
            if sum(one["state"] == "delivered" for one in items) == count:
                return
            await asyncio.sleep(0.2)


async def test_a_deliverer_that_dies_before_its_mark_repeats_the_message_once(noted_url: str, tmp_path: Path) -> None:
    """Of two apps, the one that takes the message dies when it has been answered."""
    armed = tmp_path / "armed"
    faults = [f"{MARK}@before=exit?{armed}"]
    setup = Setup(apps=2, workers=0, env=ENV, faults={"app-1": faults, "app-2": faults})
    async with running_rig(noted_url, None, setup) as rig, HookReceiver().listening() as receiver:
        async with httpx2.AsyncClient(base_url=rig.urls[0], timeout=20) as client:
            await signed_in(client)
            webhook_id = await webhook(client, f"{receiver.url}/ok")
            await client.post(f"/webhooks/{webhook_id}/test")
            await delivered(client, webhook_id, 1)
            armed.touch()
            token = client.headers["Authorization"]
            sent = await client.post(f"/webhooks/{webhook_id}/test")
            await receiver.wait_for(2)
        async with asyncio.timeout(PATIENCE_S):
            while all(app.is_running for app in rig.apps):
                await asyncio.sleep(0.05)
        [living] = [url for url, app in zip(rig.urls, rig.apps, strict=True) if app.is_running]
        async with httpx2.AsyncClient(base_url=living, timeout=20, headers={"Authorization": token}) as client:
            await delivered(client, webhook_id, 2)
        assert sent.status_code == 202
        assert sorted(Counter(one.id for one in receiver.received).values()) == [1, 2]


async def test_messages_reach_a_receiver_that_comes_back_and_others_are_not_delayed(noted_url: str) -> None:
    """A receiver that is down gets what it is owed when it is up again."""
    setup = Setup(apps=2, workers=0, env=ENV | {"WEBHOOK_TIMEOUT_S": "60"})
    async with (
        running_rig(noted_url, None, setup) as rig,
        HookReceiver().listening() as receiver,
        httpx2.AsyncClient(base_url=rig.urls[0], timeout=20) as client,
    ):
        port = free_port()
        await signed_in(client)
        down = await webhook(client, f"http://127.0.0.1:{port}/ok")
        failing = await webhook(client, f"{receiver.url}/500")
        hanging = await webhook(client, f"{receiver.url}/hang")
        good = await webhook(client, f"{receiver.url}/ok")
        for count in range(1, 5):  # both apps have loaded their HTTP clients then
            await client.post(f"/webhooks/{good}/test")
            await receiver.wait_for(count, "/ok")
        for _ in range(5):
            for one in (down, failing, hanging):
                await client.post(f"/webhooks/{one}/test")
        for count in range(5, 10):
            await client.post(f"/webhooks/{good}/test")
            await receiver.wait_for(count, "/ok", seconds=50)  # while the one that hangs does
        async with HookReceiver().listening(port) as back:
            await back.wait_for(5)
            await delivered(client, down, 5)
            assert len({one.id for one in back.received}) == 5
