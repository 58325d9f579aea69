"""Whatever may be large is counted while it is sent: what a user has not taken leaves no room for more of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID

import httpx2
import pytest

from ml_service.domain.predictions import Prediction
from ml_service.storage import canceling, predictions
from ml_service.storage.database import Session
from services.app.api import exports
from tests.support.service import Person, Service, code_of

LARGE = "x" * 5000
Ask = Callable[[Person, str], Awaitable[httpx2.Response]]


@pytest.fixture(autouse=True)
def _everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("services.app.in_flight", "services.app.api.event_stream"):
        monkeypatch.setattr(f"{module}.SMALL_BYTES", 2000)
    monkeypatch.setattr("services.app.api.exports.ROOM_S", 0.01)


async def answered(service: Service, anna: Person) -> str:
    """A prediction with a large answer, asked for with the key ``one``; it is repeated with the key ``two``."""
    async with service.worker():
        first = await anna.predict(LARGE, Idempotency_Key="one", Prefer="wait=20")
        assert first.status_code == 200
        id_: str = first.json()["id"]
        again = await anna.post(f"/predictions/{id_}/repeat", headers={"Idempotency-Key": "two"})
        batch = await anna.post("/predictions/batch", BATCH, headers={"Idempotency-Key": "many"})
        async with asyncio.timeout(20):
            for each in (again.json()["id"], batch.json()["items"][-1]["id"]):
                while (await anna.get(f"/predictions/{each}")).json()["status"] != "succeeded":
                    await asyncio.sleep(0.05)
    return id_


BATCH = {"items": [{"text": str(number)} for number in range(60)]}
ASKED: list[tuple[str, Ask]] = [
    ("show", lambda anna, id_: anna.get(f"/predictions/{id_}")),
    ("list", lambda anna, _: anna.get("/predictions")),
    ("replay", lambda anna, _: anna.predict(LARGE, Idempotency_Key="one")),
    ("replay, waiting", lambda anna, _: anna.predict(LARGE, Idempotency_Key="one", Prefer="wait=5")),
    ("replay of a batch", lambda anna, _: anna.post("/predictions/batch", BATCH, headers={"Idempotency-Key": "many"})),
    (
        "replay of a repetition",
        lambda anna, id_: anna.post(f"/predictions/{id_}/repeat", headers={"Idempotency-Key": "two"}),
    ),
    ("quote", lambda anna, _: anna.post("/predictions/quote", BATCH)),
]


async def test_every_large_answer_is_counted(service: Service, anna: Person) -> None:
    id_ = await answered(service, anna)
    in_flight, user_id = service.components.answers_in_flight, UUID((await anna.get("/users/me")).json()["id"])
    balance = await anna.balance()
    with in_flight.hold(user_id, service.components.settings.bytes_in_flight_per_user_max):
        for name, ask in ASKED:
            refused = await ask(anna, id_)
            assert code_of(refused) == (429, "too_many_requests"), name
            assert refused.headers["retry-after"]
        assert (await anna.get(f"/predictions/{id_}/events")).text == "retry: 1000\n\n"
    for name, ask in ASKED:
        assert (await ask(anna, id_)).status_code in {200, 202}, name
    assert '"succeeded"' in (await anna.get(f"/predictions/{id_}/events")).text
    assert await anna.balance() == balance
    assert not in_flight._by_user


async def test_what_was_just_paid_for_is_never_refused(service: Service, anna: Person) -> None:
    user_id = UUID((await anna.get("/users/me")).json()["id"])
    async with service.worker():
        with service.components.answers_in_flight.hold(user_id, 100_000_000):
            asked = await anna.predict(LARGE, Prefer="wait=20")
            assert (asked.status_code, asked.json()["status"]) == (202, "queued")
            assert asked.headers["location"] == f"/predictions/{asked.json()['id']}"
        shown = await anna.get(asked.headers["location"])
    assert (shown.json()["status"], shown.json()["output"]) == ("succeeded", {"text": LARGE})


EXPORTS = ["/predictions?format=csv", "/predictions?format=jsonl", "/transactions?format=csv", "/users/me/export"]


@pytest.mark.parametrize("path", EXPORTS)
async def test_an_export_waits_for_room_and_is_whole(service: Service, anna: Person, path: str) -> None:
    id_ = await answered(service, anna)
    in_flight, user_id = service.components.answers_in_flight, UUID((await anna.get("/users/me")).json()["id"])
    with in_flight.hold(user_id, service.components.settings.bytes_in_flight_per_user_max):
        waiting = asyncio.create_task(anna.get(path))
        await asyncio.sleep(10 * exports.ROOM_S)
        assert not waiting.done()
    async with asyncio.timeout(10):
        answer = await waiting
    assert id_ in answer.text
    assert not in_flight._by_user
    assert not service.components.streams_in_flight._by_user


async def test_what_is_waited_for_is_read_whole_only_when_it_changes(
    service: Service, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[UUID] = []
    get_some = predictions.get_some

    async def counted(session: Session, ids: Sequence[UUID], *, bytes_max: int) -> dict[UUID, Prediction]:
        read.extend(ids)
        return await get_some(session, ids, bytes_max=bytes_max)

    monkeypatch.setattr(predictions, "get_some", counted)
    monkeypatch.setattr("services.app.live_answers.READ_AGAIN_S", 0.05)
    asked = (await anna.predict(LARGE)).json()
    id_, user_id = UUID(asked["id"]), UUID((await anna.get("/users/me")).json()["id"])
    with service.components.live_answers.watch(id_) as watch:
        assert (first := await watch.change(5)) is not None
        assert first.status == "queued"
        assert await watch.change(1.5) is None
        assert len(read) <= 2
        async with service.database.begin() as session:  # another process: nobody tells of it
            await canceling.cancel(session, user_id, id_)
        assert (last := await watch.change(5)) is not None
        assert last.status == "canceled"
