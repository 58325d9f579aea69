"""Asking for predictions by the API: paid once, answered once, seen by nobody else."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest

from services.app.api import events
from tests.support.service import Person, Service, StartService, code_of


async def test_a_text_becomes_a_paid_answer(service: Service, anna: Person) -> None:
    async with service.worker():
        accepted = await anna.predict("Всё отлично!")
        assert accepted.status_code == 202
        body = accepted.json()
        assert accepted.headers["location"] == f"/predictions/{body['id']}"
        assert (body["status"], body["cost"], body["source"]) == ("queued", 1, "api")
        done = await anna.predict("and again", Prefer="wait=10")
        assert done.status_code == 200
        assert done.headers["preference-applied"] == "wait=10"
        answer = done.json()
        assert answer["output"] == {"text": "and again"}
        assert answer["worker_id"] == "worker-1"
        assert answer["attempts"] == 1
        assert set(answer["timings"]) == {"queued_ms", "predict_ms", "total_ms"}
        assert all(value is not None for value in answer["timings"].values())
        first = await anna.get(accepted.headers["location"])
        assert first.json()["output"] == {"text": "Всё отлично!"}
    assert await anna.balance() == (98, 0)
    page = (await anna.get("/predictions")).json()
    assert [one["id"] for one in page["items"]] == [answer["id"], body["id"]]


async def test_without_a_worker_waiting_ends_with_202(anna: Person) -> None:
    answer = await anna.predict(Prefer="respond-async, wait=1")
    assert answer.status_code == 202
    assert answer.json()["status"] == "queued"


async def test_a_failure_costs_nothing(service: Service, anna: Person) -> None:
    async with service.worker():
        answer = await anna.predict("fail, please", Prefer="wait=10")
    assert answer.status_code == 200
    assert answer.json()["error"] == {"code": "model_error", "message": "It failed."}
    assert await anna.balance() == (100, 0)


async def test_fifty_at_once_with_credits_for_ten_are_ten(start_service: StartService) -> None:
    async with start_service(starting_credits=10) as service:
        anna = await service.join()
        answers = await asyncio.gather(*(anna.predict(f"number {number}") for number in range(50)))
        assert Counter(answer.status_code for answer in answers) == {202: 10, 402: 40}
        assert await anna.balance() == (0, 10)
        refused = next(answer for answer in answers if answer.status_code == 402)
        assert code_of(refused) == (402, "insufficient_credits")
        assert (refused.json()["balance"], refused.json()["cost"]) == (0, 1)


async def test_fifty_twins_of_one_key_are_one_prediction(service: Service, anna: Person) -> None:
    answers = await asyncio.gather(*(anna.predict(Idempotency_Key="order-1") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum("idempotent-replayed" in answer.headers for answer in answers) == 49
    assert await anna.balance() == (99, 1)
    assert code_of(await anna.predict("other", Idempotency_Key="order-1")) == (422, "idempotency_key_reused")
    ben = await service.join()
    other = await ben.predict(Idempotency_Key="order-1")
    assert other.json()["id"] != answers[0].json()["id"]


async def test_a_key_that_is_none_is_refused(anna: Person) -> None:
    for key in ("", "k" * 256, "schlüssel", "tab\there"):
        headers = {"Idempotency-Key": key.encode("latin-1")}
        answer = await anna.post("/predictions/predict", {"text": "a"}, headers=headers)
        assert code_of(answer) == (422, "invalid_input"), key


async def test_a_batch_is_accepted_whole_or_not_at_all(service: Service, anna: Person) -> None:
    items: list[dict[str, Any]] = [{"text": "one"}, {"input": {"text": "two"}}, {"model": "echo", "text": "three"}]
    async with service.worker():
        answer = await anna.post("/predictions/batch", {"items": items})
        assert answer.status_code == 202
        body = answer.json()
        assert (body["cost"], body["balance"], len(body["items"])) == (3, 97, 3)
        batch = answer.headers["location"]
        async with asyncio.timeout(20):
            while {one["status"] for one in (await anna.get(batch)).json()["items"]} != {"succeeded"}:
                await asyncio.sleep(0.1)
    texts = [one["output"]["text"] for one in (await anna.get(batch)).json()["items"]]
    assert texts == ["three", "two", "one"]
    dear = await anna.post("/predictions/batch", {"items": [{"text": "a"}, {"model": "dear", "text": "b"}] * 2})
    assert code_of(dear) == (402, "insufficient_credits")
    wrong = await anna.post("/predictions/batch", {"items": [{"text": "a"}, {"text": ""}]})
    assert code_of(wrong) == (422, "invalid_input")
    assert wrong.json()["errors"][0]["location"] == "items.1.input.text"
    assert await anna.balance() == (97, 0)


async def test_history_goes_page_by_page_and_filters(anna: Person) -> None:
    ids = [(await anna.predict(f"{number}")).json()["id"] for number in range(5)]
    dear = (await anna.post("/predictions/predict", {"model": "dear", "input": {"text": "x"}})).json()["id"]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await anna.get("/predictions", params=params)).json()
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [dear, *reversed(ids)]
    for params, expected in (
        ({"model": "dear"}, [dear]),
        ({"status": "succeeded"}, []),
        ({"source": "telegram"}, []),
        ({"batch_id": str(uuid4())}, []),
    ):
        found = (await anna.get("/predictions", params=params)).json()["items"]
        assert [one["id"] for one in found] == expected


async def test_nobody_sees_what_is_anothers(service: Service, anna: Person) -> None:
    mine = (await anna.predict()).json()["id"]
    batch = (await anna.post("/predictions/batch", {"items": [{"text": "x"}]})).json()["batch_id"]
    ben = await service.join()
    missing = uuid4()
    for path in ("/predictions/{}", "/predictions/{}/events"):
        foreign, none = await ben.get(path.format(mine)), await ben.get(path.format(missing))
        assert code_of(foreign) == code_of(none) == (404, "not_found")
        assert foreign.json()["detail"] == none.json()["detail"]
    assert code_of(await ben.post(f"/predictions/{mine}/cancel")) == (404, "not_found")
    assert (await ben.get("/predictions", params={"batch_id": batch})).json()["items"] == []
    assert (await ben.get("/predictions")).json()["items"] == []
    cursor = (await anna.get("/predictions", params={"limit": "1"})).json()["next_cursor"]
    assert (await ben.get("/predictions", params={"cursor": cursor})).json()["items"] == []
    assert {one["kind"] for one in (await ben.get("/transactions")).json()["items"]} == {"grant"}


async def test_cancelling_gives_the_credits_back(service: Service, anna: Person) -> None:
    mine = (await anna.predict()).json()["id"]
    assert await anna.balance() == (99, 1)
    canceled = await anna.post(f"/predictions/{mine}/cancel")
    assert canceled.json()["status"] == "canceled"
    assert (await anna.post(f"/predictions/{mine}/cancel")).json()["status"] == "canceled"
    assert await anna.balance() == (100, 0)
    async with service.worker():
        done = (await anna.predict(Prefer="wait=10")).json()["id"]
    assert code_of(await anna.post(f"/predictions/{done}/cancel")) == (409, "already_finished")


async def test_events_tell_until_the_end(service: Service, anna: Person) -> None:
    mine = (await anna.predict("watched")).json()["id"]
    stream = asyncio.create_task(anna.get(f"/predictions/{mine}/events"))
    await asyncio.sleep(0.3)
    async with service.worker():
        answer = await stream
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [line for line in answer.text.splitlines() if line.startswith("data: ")]
    assert '"status":"queued"' in events[0]
    assert '"status":"succeeded"' in events[-1]


async def test_events_end_with_the_session(service: Service, anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(events, "CHECK_S", 0.1)
    mine = (await anna.predict("watched")).json()["id"]
    other = await service.sign_in("anna")
    stream = asyncio.create_task(anna.get(f"/predictions/{mine}/events"))
    await asyncio.sleep(0.5)
    assert not stream.done()
    assert (await other.post("/logout")).status_code == 204
    await asyncio.sleep(0.5)
    assert not stream.done(), "another session ended"
    assert (await anna.post("/logout")).status_code == 204
    async with asyncio.timeout(10):
        assert ": still here" in (await stream).text


async def test_streams_are_bounded_for_each_user(start_service: StartService) -> None:
    async with start_service(streams_per_user_max=2) as service:
        anna, ben = await service.join(), await service.join()
        streams = []
        for person in (anna, anna, ben):
            mine = (await person.predict()).json()["id"]
            streams.append(asyncio.create_task(person.get(f"/predictions/{mine}/events")))
        await asyncio.sleep(0.5)
        mine = (await anna.predict()).json()["id"]
        assert code_of(await anna.get(f"/predictions/{mine}/events")) == (429, "too_many_requests")
        assert not any(stream.done() for stream in streams)
        for stream in streams:
            stream.cancel()
        await asyncio.gather(*streams, return_exceptions=True)


async def test_a_deadline_that_passes_gives_the_credits_back(anna: Person) -> None:
    answer = await anna.post("/predictions/predict", {"text": "late", "deadline_s": 0.2}, headers={"Prefer": "wait=10"})
    assert (answer.status_code, answer.json()["status"]) == (200, "expired")
    assert answer.json()["deadline_at"] is not None
    assert await anna.balance() == (100, 0)


async def test_open_singles_are_capped(start_service: StartService) -> None:
    async with start_service(open_predictions_per_user_max=3) as service:
        anna = await service.join()
        answers = [await anna.predict() for _ in range(4)]
        assert [answer.status_code for answer in answers] == [202, 202, 202, 429]
        assert code_of(answers[-1]) == (429, "too_many_queued")
        assert int(answers[-1].headers["retry-after"]) >= 1


async def test_a_service_that_is_full_says_so(start_service: StartService) -> None:
    async with start_service(queued_predictions_max=2) as service:
        anna = await service.join()
        answers = [await anna.predict() for _ in range(3)]
        assert [answer.status_code for answer in answers] == [202, 202, 503]
        assert code_of(answers[-1]) == (503, "overloaded")
        assert int(answers[-1].headers["retry-after"]) >= 1


async def test_extra_fields_change_nothing(anna: Person) -> None:
    extra = {"is_admin": True, "balance": 10**6, "cost": 0, "user_id": str(uuid4()), "status": "succeeded", "price": 0}
    for path, body in (
        ("/predictions/predict", {"text": "a", **extra}),
        ("/users", {"username": "eve", "password": "a quiet green river", **extra}),
    ):
        assert code_of(await anna.post(path, body)) == (422, "invalid_input")
    assert await anna.balance() == (100, 0)


async def test_the_statement_adds_up(service: Service, anna: Person) -> None:
    async with service.worker():
        await anna.predict(Prefer="wait=10")
        await anna.predict("fail", Prefer="wait=10")
    rows = (await anna.get("/transactions")).json()["items"]
    assert [row["kind"] for row in rows] == ["release", "hold", "capture", "hold", "grant"]
    assert sum(row["change"] for row in rows) == (await anna.balance())[0] == 99
    page = (await anna.get("/transactions", params={"limit": "2"})).json()
    rest = (await anna.get("/transactions", params={"limit": "3", "cursor": page["next_cursor"]})).json()
    assert page["items"] + rest["items"] == rows
    assert rest["next_cursor"] is None
    holds = (await anna.get("/transactions", params={"kind": "hold"})).json()["items"]
    assert [row["amount"] for row in holds] == [1, 1]
