"""Whom the ledger names for a bulk job."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from ml_service.usecases import admin
from ml_service.usecases.admin import Admin
from tests.support.admin import id_of
from tests.support.bulk import JSONL, ended, lines
from tests.support.service import Person, Service
from tests.support.waiting import PATIENCE_S

WAYS = ("user", "key", "admin", "operator")


async def key_of(anna: Person) -> Any:
    return (await anna.post("/api-keys", {"name": "ci", "scopes": ["bulk"]})).json()


async def cancel(service: Service, anna: Person, key: Any, bulk_id: str, way: str) -> None:
    if way == "user":
        assert (await anna.post(f"/bulk/{bulk_id}/cancel")).status_code == 200
    elif way == "key":
        headers = {"Authorization": f"Bearer {key['key']}"}
        assert (await service.client.post(f"/bulk/{bulk_id}/cancel", headers=headers)).status_code == 200
    else:
        by = Admin(UUID(await id_of(anna)), "anna") if way == "admin" else admin.OPERATOR
        await admin.cancel_bulk_job(service.database, by, UUID(bulk_id), reason="r")


@pytest.mark.parametrize(("starter", "canceler"), list(product(("user", "key"), WAYS)))
async def test_the_ledger_names_who_started_and_who_canceled_a_job(
    service: Service, anna: Person, starter: str, canceler: str
) -> None:
    key = await key_of(anna)
    headers = {"Authorization": f"Bearer {key['key']}"} if starter == "key" else anna.headers
    content = lines(*({"text": str(line)} for line in range(5)))
    bulk_id = (await service.client.post("/bulk", content=content, headers=JSONL | headers)).json()["bulk_id"]
    async with asyncio.timeout(PATIENCE_S):
        while len((await anna.get("/predictions")).json()["items"]) < 5:  # so that all are fed when it is canceled
            await asyncio.sleep(0.05)
    await cancel(service, anna, key, bulk_id, canceler)
    await ended(anna, bulk_id)
    async with service.database.autocommit() as session:
        rows = await session.fetch(
            "SELECT DISTINCT kind, actor_kind || ' ' || actor_id AS actor FROM transactions"
            " WHERE kind <> 'grant' AND actor_id <> 'feeder'"
        )
    actors = {
        "user": f"user {await id_of(anna)}",
        "key": f"key {key['id']}",
        "admin": f"admin {await id_of(anna)}",
        "operator": "admin command-line",
    }
    assert {(row["kind"], row["actor"]) for row in rows} == {("hold", actors[starter]), ("release", actors[canceler])}
