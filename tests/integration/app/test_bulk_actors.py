"""Whom the ledger names for a bulk job, and in which state it can be canceled."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any
from uuid import UUID

import pytest

from ml_service.domain.bulk import BulkStatus
from ml_service.domain.errors import AlreadyFinished, InvalidInput, ServiceError
from ml_service.domain.ids import new_id
from ml_service.domain.predictions import Source
from ml_service.storage import bulk_jobs
from ml_service.usecases import admin
from ml_service.usecases.admin import Admin
from tests.support.admin import id_of
from tests.support.bulk import JSONL, ended, lines, sent
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


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        (BulkStatus.RECEIVING, InvalidInput),
        (BulkStatus.RUNNING, None),
        (BulkStatus.CANCELED, None),
        (BulkStatus.FINISHED, AlreadyFinished),
        (BulkStatus.FAILED, AlreadyFinished),
    ],
)
async def test_a_job_is_canceled_or_the_refusal_says_why_not(
    service: Service, anna: Person, status: BulkStatus, refusal: type[ServiceError] | None
) -> None:
    for way in ("user", "admin", "operator"):
        bulk_id = await job_in(service, anna, status)
        if refusal is None:
            await cancel(service, anna, None, bulk_id, way)
            assert (await anna.get(f"/bulk/{bulk_id}")).json()["status"] == "canceled"
            continue
        if way == "user":
            answer = await anna.post(f"/bulk/{bulk_id}/cancel")
            found, message = answer.json()["code"], answer.json()["detail"]
        else:
            with pytest.raises(refusal) as caught:
                await cancel(service, anna, None, bulk_id, way)
            found, message = caught.value.code, caught.value.message
        assert found == refusal.code
        assert ("still being received" in message) == (status is BulkStatus.RECEIVING)
        async with service.database.autocommit() as session:
            job = await bulk_jobs.get(session, None, UUID(bulk_id))
        assert job is not None
        assert job.status is status


async def job_in(service: Service, anna: Person, status: BulkStatus) -> str:
    """A job in this state; what it is called does not matter to the books once it has ended."""
    if status is BulkStatus.RECEIVING:
        bulk_id, user_id = new_id(), UUID(await id_of(anna))
        about = {"model": "echo", "version": "1", "pool": "default", "price_credits": 1, "open_max": 10}
        async with service.database.begin() as session:
            assert await bulk_jobs.create(session, bulk_id, user_id, Source.API, **about)  # type: ignore[arg-type]
        return str(bulk_id)
    sent_id: str = (await sent(anna, lines({"text": "a"}))).json()["bulk_id"]
    if status is not BulkStatus.RUNNING:
        await cancel(service, anna, None, sent_id, "user")
        await ended(anna, sent_id)
        async with service.database.autocommit() as session:
            await session.execute("UPDATE bulk_jobs SET status = $2 WHERE id = $1", UUID(sent_id), status)
    return sent_id
