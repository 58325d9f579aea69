"""The spend cap of an API key while processes are killed: never passed in any snapshot, and the books agree with it."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from uuid import uuid4

import httpx2
import pytest

from ml_service.storage.database import UNAVAILABLE
from tests.support.checker import banking, connected, violations
from tests.support.load import Load
from tests.support.rig import Rig, Setup, running_rig

pytestmark = pytest.mark.timeout(400)

CAP = 150
CLIENTS = 8
KILLS = 2
# What the ledger says of the key's predictions: all that is held or paid, nothing that was given back.
OF_THE_LEDGER = """
    SELECT coalesce(sum(cost), 0)::bigint FROM predictions
    WHERE key_id = $1::uuid AND (finished_at IS NULL OR status = 'succeeded')"""


class Sampler:
    """Looks at what the key's predictions hold and have paid, again and again."""

    def __init__(self, url: str, key_id: str) -> None:
        self._url, self._key_id = url, key_id
        self.most = 0
        self.samples = 0

    async def look(self) -> int:
        async with connected(self._url) as connection:
            spent: int = await connection.fetchval(OF_THE_LEDGER, self._key_id)
        self.most, self.samples = max(self.most, spent), self.samples + 1
        return spent

    async def watch(self) -> None:
        while True:
            with suppress(*UNAVAILABLE):
                await self.look()
            await asyncio.sleep(0.05)


async def spend(rig: Rig, client: httpx2.AsyncClient, token: str, said: Counter[str], place: int) -> None:
    """Ask by the key until its cap answers, each request until somebody answers; one client cancels what it asked."""
    headers = {"X-API-Key": token}
    while said["402 key_cap_exceeded"] < CLIENTS * 3:
        key, body, path = uuid4().hex, {"text": "hello"}, "/predictions/predict"
        if place % 2:
            body, path = {"items": [{"text": "hello"}] * 7}, "/predictions/batch"
        for _ in range(400):
            url = rig.urls[said.total() % len(rig.urls)]
            try:
                answer = await client.post(url + path, json=body, headers={**headers, "Idempotency-Key": key})
            except httpx2.HTTPError as error:
                said[type(error).__name__] += 1
            else:
                status = answer.status_code
                said[f"{status} {answer.json()['code'] if status >= 400 else 'accepted'}"] += 1
                if status not in (429, 503):
                    break
            await asyncio.sleep(0.1)
        else:
            raise AssertionError(f"never answered: {said}")
        if answer.status_code < 300 and place == 0:
            with suppress(httpx2.HTTPError):
                await client.post(f"{rig.urls[0]}/predictions/{answer.json()['id']}/cancel", headers=headers)
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("backend", "is_set_late"), [("postgres", False), ("rabbitmq", False), ("postgres", True), ("rabbitmq", True)]
)
async def test_a_spend_cap_holds_while_processes_are_killed(
    noted_url: str, backend: str, is_set_late: bool, request: pytest.FixtureRequest
) -> None:
    """A cap that is set late counts what its key has spent without one."""
    amqp_url = request.getfixturevalue("amqp_url") if backend == "rabbitmq" else None
    async with running_rig(noted_url, amqp_url, Setup(apps=2, workers=2)) as rig:
        load = Load(rig.urls)
        await load.register()
        async with httpx2.AsyncClient(timeout=15) as client:
            anna = await load.sign_in(rig.urls[0], "anna")
            cap = {"spend_cap": {"credits": CAP, "per": "total"}}
            asked = {"name": "capped", "scopes": ["predict"], **({} if is_set_late else cap)}
            made = await client.post(f"{rig.urls[0]}/api-keys", json=asked, headers=anna)
            assert made.status_code == 201, made.text
            sampler = Sampler(rig.owner_url, made.json()["id"])
            said: Counter[str] = Counter()
            async with banking(rig.owner_url), asyncio.TaskGroup() as group:
                watching = group.create_task(sampler.watch())
                spending = [
                    group.create_task(spend(rig, client, made.json()["key"], said, place)) for place in range(CLIENTS)
                ]
                if is_set_late:
                    while await sampler.look() < CAP / 5:
                        await asyncio.sleep(0.01)
                    changed = await client.patch(f"{rig.urls[1]}/api-keys/{made.json()['id']}", json=cap, headers=anna)
                    assert changed.status_code == 200, changed.text
                    assert CAP / 5 <= changed.json()["spent"]["total"] < CAP, changed.text
                for process in rig.processes * KILLS:
                    process.kill()
                    await asyncio.sleep(0.2)
                    await process.restart()
                await asyncio.gather(*spending)
                watching.cancel()
        assert await violations(rig) == []
        spent = await sampler.look()
        async with connected(rig.owner_url) as connection:
            booked = await connection.fetchval(
                "SELECT spent_total FROM api_keys WHERE id = $1::uuid", made.json()["id"]
            )
        assert sampler.samples > 10
        assert sampler.most <= CAP, said
        assert spent == booked
        assert CAP - 7 < spent <= CAP, said  # the cap was reached: it was tried
        assert not [one for one in said if one.startswith("500")], said
        await load.close()
