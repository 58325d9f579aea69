"""Whom admins may let in, lock out and pay; that nobody else may; and that every change is in the log."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from ml_service.domain.credentials import Principal
from ml_service.domain.errors import Blocked
from ml_service.domain.predictions import Source
from ml_service.domain.submissions import ModelInput, SubmitRequest
from ml_service.storage import admin_actions
from tests.support.admin import admin_routes, change, id_of, logged
from tests.support.service import Person, Service, code_of

ROUTES = admin_routes()


def test_there_are_admin_routes_to_test() -> None:
    assert len(ROUTES) == 21
    assert {method for method, *_ in ROUTES} == {"get", "post", "patch"}


async def test_nobody_but_an_admin_may_use_any_admin_route(service: Service, anna: Person, boss: Person) -> None:
    gone = await service.join()
    await gone.post("/logout")
    key = {"Idempotency-Key": "k"}
    for method, _, address, body in ROUTES:
        place = f"{method} {address}"
        anonymous = await service.client.request(method, address, json=body, headers=key)
        assert code_of(anonymous) == (401, "unauthenticated"), place
        ended = await service.client.request(method, address, json=body, headers=gone.headers | key)
        assert code_of(ended) == (401, "unauthenticated"), place
        refused = await service.client.request(method, address, json=body, headers=anna.headers | key)
        assert code_of(refused) == (403, "forbidden"), place
        allowed = await service.client.request(method, address, json=body, headers=boss.headers | key)
        assert allowed.status_code in (200, 404, 422), (place, allowed.text)
    assert [(actor, action) for actor, action, *_ in await logged(service)] == [("boss", "model.change")]
    async with service.database.autocommit() as session:
        await session.execute("UPDATE users SET is_admin = (username = 'anna') WHERE username IN ('anna', 'boss')")
    assert code_of(await boss.get("/admin/stats")) == (403, "forbidden")


async def test_a_blocked_user_is_out_everywhere_until_the_block_ends(
    service: Service, anna: Person, boss: Person
) -> None:
    accepted = await anna.predict("before")
    anna_id = await id_of(anna)
    url = f"/admin/users/{anna_id}"
    blocked = await change(boss, "PATCH", url, {"is_blocked": True, "reason": "spam"})
    assert (blocked.status_code, blocked.json()["is_blocked"]) == (200, True)
    assert code_of(await anna.get("/users/me")) == (401, "unauthenticated")
    assert code_of(await anna.predict("after")) == (401, "unauthenticated")
    form = {"username": "anna", "password": "a quiet green river"}
    assert code_of(await service.client.post("/token", data=form)) == (403, "blocked")
    wrong = await service.client.post("/token", data={**form, "password": "not the password"})
    assert code_of(wrong) == (401, "wrong_credentials")
    refresh = {"grant_type": "refresh_token", "refresh_token": anna.tokens["refresh_token"]}
    assert code_of(await service.client.post("/token", data=refresh)) == (401, "unauthenticated")
    await change(boss, "PATCH", url, {"is_blocked": False, "reason": "a mistake"})
    again = await service.sign_in("anna")
    assert (await again.get(f"/predictions/{accepted.json()['id']}")).status_code == 200
    assert (await again.predict("after")).status_code == 202
    assert await logged(service) == [
        ("boss", "user.block", "user", {"is_blocked": False}, {"is_blocked": True}, "spam"),
        ("boss", "user.unblock", "user", {"is_blocked": True}, {"is_blocked": False}, "a mistake"),
    ]


async def test_a_session_that_outlives_the_block_submits_nothing(service: Service, anna: Person) -> None:
    anna_id = await id_of(anna)
    async with service.database.autocommit() as session:  # as a chat, which has no session that could end
        await session.execute("UPDATE users SET is_blocked = true WHERE username = 'anna'")
    assert code_of(await anna.predict()) == (403, "blocked")
    chat = SubmitRequest((ModelInput(None, {"text": "from a chat"}),), Source.TELEGRAM)
    with pytest.raises(Blocked):
        await service.components.submitter.submit(Principal(UUID(anna_id)), chat)
    batch = await anna.post("/predictions/batch", {"items": [{"text": "a"}, {"text": "b"}]})
    assert code_of(batch) == (403, "blocked")
    assert await anna.balance() == (100, 0)


async def test_an_admin_cannot_block_themselves(boss: Person) -> None:
    refused = await change(boss, "PATCH", f"/admin/users/{await id_of(boss)}", {"is_blocked": True, "reason": "a slip"})
    assert code_of(refused) == (422, "invalid_input")


async def test_credits_move_once_for_a_key_and_are_logged_once(service: Service, anna: Person, boss: Person) -> None:
    url = f"/admin/users/{await id_of(anna)}/credits"
    body = {"amount": 50, "kind": "top_up", "reason": "invoice 1"}
    answers = await asyncio.gather(*(change(boss, "POST", url, body, Idempotency_Key="i-1") for _ in range(5)))
    assert [one.status_code for one in answers] == [200] * 5
    assert sum("idempotent-replayed" in one.headers for one in answers) == 4
    assert {one.json()["balance"] for one in answers} == {150}
    taken = await change(
        boss, "POST", url, {"amount": -30, "kind": "adjustment", "reason": "twice paid"}, Idempotency_Key="i-2"
    )
    assert taken.json()["balance"] == 120
    for other in ({"amount": 51}, {"reason": "invoice 2"}, {"kind": "adjustment"}):
        reused = await change(boss, "POST", url, {**body, **other}, Idempotency_Key="i-1")
        assert code_of(reused) == (422, "idempotency_key_reused")
    for spelled in ("50.0", "5e1"):
        content = json.dumps(body).replace("50", spelled)
        headers = boss.headers | {"Idempotency-Key": "i-1", "Content-Type": "application/json"}
        again = await service.client.post(url, content=content, headers=headers)
        assert (again.status_code, again.headers["idempotent-replayed"]) == (200, "true"), again.text
    assert await logged(service) == [
        ("boss", "credits.top_up", "user", {"balance": 100}, {"balance": 150, "amount": 50}, "invoice 1"),
        ("boss", "credits.adjustment", "user", {"balance": 150}, {"balance": 120, "amount": -30}, "twice paid"),
    ]
    newest = (await anna.get("/transactions")).json()["items"][0]
    assert (newest["kind"], newest["change"], newest["reason"]) == ("adjustment", -30, "twice paid")


NO_CREDITS = [
    {"amount": 0},
    {"amount": -5},
    {"amount": -101, "kind": "adjustment"},
    {"amount": 1e309},
    {"amount": "1"},
    {"amount": 1.5},
    {"amount": True},
    {"amount": 2**63},
    {"amount": 1_000_000_001},
    {"kind": "grant"},
    {"kind": "refund"},
    {"reason": " "},
    {"reason": "a\0b"},
    {"reason": "x" * 501},
    {"balance": 5},
]


async def test_credits_that_cannot_be_are_refused(service: Service, anna: Person, boss: Person) -> None:
    url = f"/admin/users/{await id_of(anna)}/credits"
    headers = boss.headers | {"Idempotency-Key": "k", "Content-Type": "application/json"}
    for wrong in NO_CREDITS:
        body = json.dumps({"amount": 5, "kind": "top_up", "reason": "r", **wrong}).replace("Infinity", "1e309")
        answer = await service.client.post(url, content=body, headers=headers)
        assert answer.status_code in (400, 422), (wrong, answer.text)
        assert await anna.balance() == (100, 0), wrong
    assert await logged(service) == []


async def test_credits_need_a_key_and_a_user(anna: Person, boss: Person) -> None:
    body = {"amount": 5, "kind": "top_up", "reason": "r"}
    unkeyed = await change(boss, "POST", f"/admin/users/{await id_of(anna)}/credits", body)
    assert code_of(unkeyed) == (422, "invalid_input")
    unknown = await change(boss, "POST", f"/admin/users/{uuid4()}/credits", body, Idempotency_Key="k")
    assert code_of(unknown) == (404, "not_found")


async def test_users_are_found_by_the_beginning_of_their_name(service: Service, anna: Person, boss: Person) -> None:
    for name in ("annabel", "Ännchen", "hannah"):
        await service.join(name)
    await anna.predict()

    async def names(**params: Any) -> list[str]:
        page = (await boss.get("/admin/users", params=params)).json()
        return [one["username"] for one in page["items"]]

    assert await names() == ["hannah", "Ännchen", "annabel", "boss", "anna", "test"]
    assert await names(q="ANN") == ["annabel", "anna"]
    assert await names(q="änn") == ["Ännchen"]
    assert await names(q="%") == []
    assert await names(q="") == await names()
    first = (await boss.get("/admin/users", params={"limit": 2})).json()
    assert await names(limit=200, cursor=first["next_cursor"]) == ["annabel", "boss", "anna", "test"]
    shown = (await boss.get(f"/admin/users/{await id_of(anna)}")).json()
    assert (shown["username"], shown["balance"], shown["held"]) == ("anna", 99, 1)
    assert shown["last_seen_at"] is not None
    assert [(one["kind"], one["balance_after"]) for one in shown["transactions"]] == [("hold", 99), ("grant", 100)]
    assert [(one["status"], one["username"]) for one in shown["predictions"]] == [("queued", "anna")]
    assert "input" not in shown["predictions"][0]
    assert code_of(await boss.get(f"/admin/users/{uuid4()}")) == (404, "not_found")


async def test_a_change_that_cannot_be_logged_is_not_made(
    anna: Person, boss: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("the log is full")

    monkeypatch.setattr(admin_actions, "record", refuse)
    url = f"/admin/users/{await id_of(anna)}"
    refused = await change(boss, "PATCH", url, {"is_blocked": True, "reason": "r"})
    assert code_of(refused) == (500, "internal_error")
    body = {"amount": 5, "kind": "top_up", "reason": "r"}
    refused = await change(boss, "POST", f"{url}/credits", body, Idempotency_Key="k")
    assert code_of(refused) == (500, "internal_error")
    assert await anna.balance() == (100, 0)
    assert (await anna.get("/users/me")).status_code == 200
