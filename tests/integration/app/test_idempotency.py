"""A known Idempotency-Key is answered whatever has changed since; a request that differs is told so."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from ml_service.storage import models
from tests.support.service import ECHO, Person, Service, StartService, code_of

Change = Callable[[Service], Awaitable[None]]


async def the_model_is_gone(service: Service) -> None:
    async with service.database.autocommit() as session:
        await session.execute("DELETE FROM models WHERE name = 'echo'")
    await service.components.catalog.refresh()


async def its_schema_has_changed(service: Service) -> None:
    other = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    async with service.database.autocommit() as session:
        await session.execute("DELETE FROM models WHERE name = 'echo'")
        await models.announce(session, [replace(ECHO, version="2", input_schema=other)])
    await service.components.catalog.refresh()


async def its_price_has_risen(service: Service) -> None:
    async with service.database.autocommit() as session:
        await models.set_price(session, "echo", 1_000_000)
    await service.components.catalog.refresh()


@pytest.mark.parametrize("change", [the_model_is_gone, its_schema_has_changed, its_price_has_risen])
async def test_a_known_key_is_answered_although_a_new_request_would_be_refused(
    service: Service, anna: Person, change: Change
) -> None:
    batch = {"items": [{"text": "a"}, {"text": "b"}]}
    first = await anna.predict("hello", Idempotency_Key="one")
    many = await anna.post("/predictions/batch", batch, headers={"Idempotency-Key": "many"})
    await change(service)
    again = await anna.predict("hello", Idempotency_Key="one")
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true"), again.text
    assert again.json() == first.json()
    repeated = await anna.post("/predictions/batch", batch, headers={"Idempotency-Key": "many"})
    assert (repeated.status_code, repeated.json()["items"]) == (202, many.json()["items"])
    assert code_of(await anna.predict("other", Idempotency_Key="one")) == (422, "idempotency_key_reused")
    assert (await anna.predict("hello", Idempotency_Key="new")).status_code in {402, 404, 422}
    assert await anna.balance() == (97, 3)


async def test_a_known_key_is_answered_when_too_much_waits(start_service: StartService) -> None:
    async with start_service(queued_predictions_max=1) as service:
        anna = await service.join("anna")
        first = await anna.predict("hello", Idempotency_Key="one")
        assert first.status_code == 202
        assert code_of(await anna.predict("hello")) == (503, "overloaded")
        assert (await anna.predict("hello", Idempotency_Key="one")).json() == first.json()


async def test_a_known_key_is_answered_at_the_users_own_limit(start_service: StartService) -> None:
    async with start_service(open_predictions_per_user_max=1) as service:
        anna = await service.join("anna")
        first = await anna.predict("hello", Idempotency_Key="one")
        assert code_of(await anna.predict("hello")) == (429, "too_many_queued")
        assert (await anna.predict("hello", Idempotency_Key="one")).json() == first.json()


SAME: list[tuple[bytes, bytes]] = [
    (b'{"text": "a"}', b'{"input":{"text":"a"}}'),
    (b'{"text": "a"}', b'{"model": "echo", "text": "\\u0061"}'),
    (b'{"text": "a", "model": null}', b'{"deadline_s": null, "text": "a"}'),
    (b'{"input": {"text": "a", "n": 1}}', b'{"input": {"n": 1.0, "text": "a"}}'),
    (b'{"input": {"text": "a", "n": 100}}', b'{"input": {"n": 1e2, "text": "a"}}'),
    (b'{"text": "a", "deadline_s": 60}', b'{"deadline_s": 6e1, "text": "a"}'),
    (b'{"text": "a", "notify": ["telegram", "telegram"]}', b'{"notify": ["telegram"], "text": "a"}'),
]


async def test_equal_requests_are_equal_however_they_are_spelled(anna: Person) -> None:
    for number, (one, other) in enumerate(SAME):
        headers = {"Idempotency-Key": f"k{number}", "Content-Type": "application/json"}
        answers = [await anna.post("/predictions/predict", content=body, headers=headers) for body in (one, other)]
        assert [answer.status_code for answer in answers] == [202, 202], (one, other, answers[1].text)
        assert answers[0].json() == answers[1].json()
        changed = await anna.post("/predictions/predict", content=one.replace(b'"a"', b'"b"'), headers=headers)
        assert code_of(changed) == (422, "idempotency_key_reused")
    assert await anna.balance() == (100 - len(SAME), len(SAME))


HOOK = {"url": "https://example.com/1"}
UNEQUAL: list[dict[str, Any]] = [
    {"text": "a"},
    {"text": "a", "notify": []},
    {"text": "a", "notify": ["telegram"]},
    {"text": "a", "webhook": HOOK},
    {"text": "a", "webhook": {"url": "https://example.com/2"}},
    {"text": "a", "webhook": {**HOOK, "events": ["prediction.failed"]}},
    {"text": "a", "deadline_s": 60},
    {"text": "a", "model": "echo@1"},
]


async def test_who_is_told_is_a_part_of_the_request(anna: Person) -> None:
    for number, first in enumerate(UNEQUAL):
        headers = {"Idempotency-Key": f"k{number}"}
        accepted = await anna.post("/predictions/predict", first, headers=headers)
        assert accepted.status_code == 202, accepted.text
        for other in UNEQUAL:
            answer = await anna.post("/predictions/predict", other, headers=headers)
            assert (answer.status_code == 202) is (other == first), (first, other, answer.text)


async def test_items_of_a_batch_may_name_the_default_model_or_not(anna: Person) -> None:
    def batch(*models: str | None) -> dict[str, Any]:
        items: list[dict[str, Any]] = [
            {"text": "a"} if model is None else {"text": "a", "model": model} for model in models
        ]
        return {"items": items}

    headers = {"Idempotency-Key": "k"}
    first = await anna.post("/predictions/batch", batch(None, "echo"), headers=headers)
    for same in (batch("echo", None), batch(None, None), batch("echo", "echo")):
        again = await anna.post("/predictions/batch", same, headers=headers)
        assert (again.status_code, again.json()) == (202, first.json()), again.text
    other = await anna.post("/predictions/batch", batch("echo", "dear"), headers=headers)
    assert code_of(other) == (422, "idempotency_key_reused")


UNKNOWN: list[tuple[str, dict[str, Any], str, str]] = [
    ("predict", {"modle": "language", "text": "hi"}, "body.modle", "mean model"),
    ("predict", {"text": "hi", "dealine_s": 5}, "body.dealine_s", "deadline_s"),
    ("predict", {"text": "hi", "x" * 100_000: 5}, "body.x", "no field"),
    ("batch", {"items": [{"text": "hi"}, {"modle": "language", "text": "hi"}]}, "body.items.1.modle", "mean model"),
    ("batch", {"item": [{"text": "hi"}]}, "body.item", "mean items"),
]


async def test_an_unknown_field_is_named_and_nothing_is_charged(anna: Person) -> None:
    for path, body, location, near in UNKNOWN:
        answer = await anna.post(f"/predictions/{path}", body)
        assert code_of(answer) == (422, "invalid_input"), body
        found = [error for error in answer.json()["errors"] if error["location"].startswith(location)]
        assert any(near in error["message"] for error in found), answer.text
        assert len(answer.content) < 3000
    assert await anna.balance() == (100, 0)


async def test_an_unknown_field_of_an_account_is_refused(service: Service, anna: Person) -> None:
    new = {"username": "ben", "password": "a quiet green river"}
    nothing = "There is no field of this name"
    for more, message in (
        ({"is_admin": True}, f"{nothing}."),
        ({"balance": 10**6}, f"{nothing}."),
        ({"user": "x"}, f"{nothing}; did you mean username?"),
        ({"pasword": "x"}, f"{nothing}; did you mean password?"),
        ({"x" * 10_000: 1}, f"{nothing}."),
    ):
        answer = await service.client.post("/users", json=new | more)
        assert code_of(answer) == (422, "invalid_input")
        assert [error["message"] for error in answer.json()["errors"]] == [message]
        assert len(answer.content) < 2000
    change = {"old_password": new["password"], "new_pasword": "a loud red mountain"}
    answer = await anna.post("/users/me/password", change)
    assert code_of(answer) == (422, "invalid_input")
    assert {error["message"] for error in answer.json()["errors"]} == {
        "Field required",
        f"{nothing}; did you mean new_password?",
    }


BODIES: list[tuple[bytes, str]] = [
    (b"old_password=a&new_password=b", "application/x-www-form-urlencoded"),
    (b"{", "application/json"),
    (b"{}", "application/json"),
    (b'{"old_password": "a", "new_password": "b", "more": 1}', "application/json"),
    (b'{"old_password": "a", "new_password": "b"}', "text/plain"),
]


async def test_a_missing_sign_in_is_reported_before_anything_else(service: Service, anna: Person) -> None:
    for body, media_type in BODIES:
        path, headers = "/users/me/password", {"Content-Type": media_type}
        for token in ({}, {"Authorization": "Bearer none"}):
            answer = await service.client.post(path, content=body, headers=headers | token)
            assert code_of(answer) == (401, "unauthenticated"), (body, media_type)
        answer = await service.client.post(path, content=body, headers=headers | anna.headers)
        assert answer.status_code in {415, 422}, (body, media_type, answer.text)


async def test_one_key_fifty_times_at_once_is_one_prediction(anna: Person) -> None:
    answers = await asyncio.gather(*(anna.predict("hello", Idempotency_Key="k") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert await anna.balance() == (99, 1)
