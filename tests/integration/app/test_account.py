"""One's own account: preferences, sign-ins, export, deletion."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from ml_service.background.erasure import Erasure
from ml_service.storage import deleted_accounts, users
from ml_service.usecases import account
from services.app.api import account as account_api
from services.app.api import account_export
from tests.support.bulk import sent
from tests.support.service import PASSWORD, Person, Service, StartService, code_of

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


async def patch(person: Person, body: Any) -> Any:
    return await person.client.patch("/users/me", json=body, headers=person.headers)


async def delete(person: Person, path: str, **options: Any) -> Any:
    return await person.client.request("DELETE", path, headers=person.headers, **options)


async def sign_ins(person: Person) -> list[dict[str, Any]]:
    body = (await person.get("/users/me/sessions")).json()
    assert body["next_cursor"] is None
    items: list[dict[str, Any]] = body["items"]
    return items


async def test_each_preference_can_be_changed_alone(anna: Person) -> None:
    before = (await anna.get("/users/me")).json()
    assert (before["language"], before["notify"]) == (None, [])
    assert (await patch(anna, {"language": "ru"})).json() == before | {"language": "ru"}
    assert (await patch(anna, {"notify": ["telegram", "telegram"]})).json()["notify"] == ["telegram"]
    assert (await patch(anna, {})).json() == before | {"language": "ru", "notify": ["telegram"]}
    assert (await patch(anna, {"language": None, "notify": []})).json() == before
    assert (await anna.get("/users/me")).json() == before


UNKNOWN_PREFERENCES: list[Any] = [
    *({"language": "de"}, {"notify": ["mail"]}, {"notify": None}, {"notify": "telegram"}),
    *({"balance": 5}, {"is_admin": True}, {"notify": ["telegram"] * 11}, []),
]


async def test_an_unknown_preference_is_refused(anna: Person) -> None:
    before = (await anna.get("/users/me")).json()
    for body in UNKNOWN_PREFERENCES:
        assert code_of(await patch(anna, body)) == (422, "invalid_input"), body
        assert (await anna.get("/users/me")).json() == before, body


async def test_answers_go_where_the_account_prefers(service: Service, anna: Person) -> None:
    async with service.database.autocommit() as session:
        await session.execute("INSERT INTO users (id, username, username_key) VALUES ($1, 'chat', 'chat')", uuid4())
        await session.execute(
            "INSERT INTO telegram_chats (chat_id, own_user_id, user_id, language)"
            " SELECT 7, chat.id, anna.id, 'en' FROM users AS chat, users AS anna"
            " WHERE chat.username = 'chat' AND anna.username = 'anna'"
        )
    await anna.predict("not told")
    await patch(anna, {"notify": ["telegram"]})
    told = (await anna.predict("told")).json()["id"]
    await anna.post("/predictions/predict", {"text": "not told either", "notify": []})
    async with service.database.autocommit() as session:
        owed = await session.fetch("SELECT subject_id FROM deliveries WHERE chat_id = 7")
    assert [str(row["subject_id"]) for row in owed] == [told]


async def test_sign_ins_are_listed_and_ended(service: Service, anna: Person) -> None:
    form = {"username": "anna", "password": PASSWORD}
    answer = await service.client.post("/token", data=form, headers={"User-Agent": CHROME})
    browser = Person(service.client, "anna", answer.json())
    ben = await service.join("ben")
    found = await sign_ins(anna)
    assert [(one["client"], one["address"], one["is_current"]) for one in found] == [
        ("Chrome on Linux", "192.0.2.7", False),
        ("python-httpx2", "192.0.2.7", True),
    ]
    renewed = {"grant_type": "refresh_token", "refresh_token": anna.tokens["refresh_token"]}
    await service.client.post("/token", data=renewed)
    assert [one["is_current"] for one in await sign_ins(anna)] == [True, False]  # the last used first

    theirs = found[0]["id"]
    assert code_of(await delete(ben, f"/users/me/sessions/{theirs}")) == (404, "not_found")
    assert (await browser.get("/balance")).status_code == 200
    assert (await delete(anna, f"/users/me/sessions/{theirs}")).status_code == 204
    assert code_of(await browser.get("/balance")) == (401, "unauthenticated")
    assert code_of(await delete(anna, f"/users/me/sessions/{theirs}")) == (404, "not_found")
    assert len(await sign_ins(anna)) == 1

    others = [await service.sign_in("anna") for _ in range(3)]
    assert (await delete(anna, "/users/me/sessions")).status_code == 204
    for other in others:
        assert code_of(await other.get("/balance")) == (401, "unauthenticated")
    assert [one["is_current"] for one in await sign_ins(anna)] == [True]
    assert (await ben.get("/balance")).status_code == 200


async def test_a_new_password_begins_one_sign_in(anna: Person) -> None:
    change = {"old_password": PASSWORD, "new_password": "another green river"}
    tokens = (await anna.post("/users/me/password", change)).json()
    fresh = Person(anna.client, "anna", tokens)
    assert [(one["client"], one["is_current"]) for one in await sign_ins(fresh)] == [("python-httpx2", True)]


async def test_the_demo_users_sign_ins_are_other_peoples(service: Service) -> None:
    mine, theirs = await service.sign_in("test", "test"), await service.sign_in("test", "test")
    [shown] = await sign_ins(mine)
    [other] = await sign_ins(theirs)
    assert shown["is_current"]
    assert code_of(await delete(mine, f"/users/me/sessions/{other['id']}")) == (404, "not_found")
    assert code_of(await delete(mine, "/users/me/sessions")) == (403, "permission_denied")
    assert (await theirs.get("/balance")).status_code == 200
    assert (await delete(mine, f"/users/me/sessions/{shown['id']}")).status_code == 204


async def link_chat(service: Service, username: str) -> None:
    """A chat that is linked to the account, and is owed an answer."""
    async with service.database.begin() as session:
        await session.execute("INSERT INTO users (id, username, username_key) VALUES ($1, 'chat', 'chat')", uuid4())
        await session.execute(
            "INSERT INTO telegram_chats (chat_id, own_user_id, user_id, language)"
            " SELECT 7, chat.id, payer.id, 'en' FROM users AS chat, users AS payer"
            " WHERE chat.username = 'chat' AND payer.username = $1",
            username,
        )


async def lines_of(person: Person) -> list[dict[str, Any]]:
    answer = await person.get("/users/me/export")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["content-disposition"] == 'attachment; filename="account.jsonl"'
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_an_export_holds_all_that_is_kept_and_nothing_of_others(service: Service, anna: Person) -> None:
    ben = await service.join("ben")
    await ben.predict("Ben's own")
    assert (await anna.get("/users/me/telegram")).json() == {"chats": 0}
    await link_chat(service, "anna")
    assert (await anna.get("/users/me/telegram")).json() == {"chats": 1}
    asked = [(await anna.predict(f"text {number}")).json()["id"] for number in range(3)]
    items = [{"text": f"item {number}"} for number in range(50)]
    await anna.post("/predictions/batch", {"items": items})
    lines = await lines_of(anna)
    kinds = Counter(line["type"] for line in lines)
    assert kinds == {"user": 1, "session": 1, "telegram_chat": 1, "prediction": 53, "transaction": 54}
    assert lines[0] == {"type": "user"} | (await anna.get("/users/me")).json()
    shown = (await anna.get(f"/predictions/{asked[0]}")).json()
    assert {"type": "prediction"} | shown in lines
    assert not any("Ben" in json.dumps(line) for line in lines)
    assert not any("hash" in key for line in lines for key in line)


LINES = b'{"id": "my-1", "input": {"text": "one"}}\n{"text": "two"}\n{"id": "my-3", "input": {"txt": "three"}}\n'


async def test_an_export_has_the_keys_webhooks_and_bulk_jobs_too(anna: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_export, "ROWS", 1)  # a page
    keys = [(await anna.post("/api-keys", {"name": name, "scopes": ["read"]})).json() for name in ("ci", "old")]
    shown_keys = (await anna.get("/api-keys")).json()["items"]
    await delete(anna, f"/api-keys/{keys[1]['id']}")
    hook = (await anna.post("/webhooks", {"url": "https://example.com/in", "events": ["bulk.finished"]})).json()
    for _ in range(2):
        assert (await anna.post(f"/webhooks/{hook['id']}/test")).status_code == 202
    jobs = [(await sent(anna, LINES)).json() for _ in range(2)]
    lines = await lines_of(anna)
    by_type: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        by_type.setdefault(line.pop("type"), []).append(line)
    assert by_type.keys() | {"telegram_chat", "prediction"} == set(account_export.TYPES)
    assert [one.pop("revoked_at") is None for one in by_type["api_key"]] == [False, True]
    assert by_type["api_key"] == shown_keys
    assert [(one["id"], one["url"]) for one in by_type["webhook"]] == [(hook["id"], "https://example.com/in")]
    shown_messages = (await anna.get("/webhooks/deliveries")).json()["items"]
    assert [one["id"] for one in by_type["webhook_delivery"]] == [one["id"] for one in shown_messages]
    assert len(shown_messages) == 2
    assert [one["bulk_id"] for one in by_type["bulk_job"]] == [one["bulk_id"] for one in reversed(jobs)]
    named = [(one["bulk_id"], one["line"], one["id"], one["error"] is None) for one in by_type["bulk_line"]]
    assert named == [
        (job["bulk_id"], *each) for job in reversed(jobs) for each in ((1, "my-1", True), (3, "my-3", False))
    ]
    assert not any(secret in json.dumps(lines) for secret in (keys[0]["key"], "whsec_"))


EXPORTED = {
    "api_keys": {"api_key"},
    "bulk_jobs": {"bulk_job", "bulk_line"},
    "deliveries": {"webhook_delivery"},
    "predictions": {"prediction"},
    "sessions": {"session"},
    "telegram_chats": {"telegram_chat"},
    "transactions": {"transaction"},
    "webhooks": {"webhook"},
}
NOT_EXPORTED = {
    "accounts_to_erase": "only of deleted accounts",
    "batches": "each prediction names its batch",
    "idempotency_keys": "of a day",
    "outbox": "predictions that are not sent to the queue yet",
    "request_webhooks": "their addresses are those of the deliveries",
    "telegram_link_codes": "a secret of minutes",
    "usage_passed": "sums of predictions: GET /usage",
    "usage_sums": "sums of predictions: GET /usage",
    "webhook_secrets": "a secret",
}


async def test_each_table_that_names_a_user_is_in_the_export_or_has_a_reason(service: Service) -> None:
    async with service.database.autocommit() as session:
        rows = await session.fetch(
            "SELECT DISTINCT c.relname FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid"
            " WHERE a.attname = 'user_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            " AND c.relnamespace = 'public'::regnamespace"
        )
    assert {row["relname"] for row in rows} == EXPORTED.keys() | NOT_EXPORTED.keys()
    assert {"user"}.union(*EXPORTED.values()) == set(account_export.TYPES)


async def test_a_deleted_account_leaves_the_ledger_and_no_person(service: Service, anna: Person) -> None:
    await link_chat(service, "anna")
    other = await service.sign_in("anna")
    await anna.post("/users/me/telegram")
    async with service.worker():
        for text in ("my secret text", "fail my secret text"):
            await anna.predict(text, Prefer="wait=10")
    await anna.predict("an open secret", Idempotency_Key="my-key")
    await anna.post("/predictions/batch", {"items": [{"text": "a secret item"}] * 20, "notify": ["telegram"]})
    user_id = (await anna.get("/users/me")).json()["id"]

    wrong = await delete(anna, "/users/me", json={"password": "wrong"})
    assert code_of(wrong) == (401, "wrong_credentials")
    assert (await anna.get("/balance")).status_code == 200
    assert (await delete(anna, "/users/me", json={"password": PASSWORD})).status_code == 204

    for person in (anna, other):
        assert code_of(await person.get("/balance")) == (401, "unauthenticated")
        assert code_of(await person.predict()) == (401, "unauthenticated")
    again = await service.client.post("/token", data={"username": "anna", "password": PASSWORD})
    assert code_of(again) == (401, "wrong_credentials")
    async with service.database.autocommit() as session:
        user = await session.fetchrow("SELECT * FROM users WHERE id = $1", user_id)
        assert user is not None
        assert (user["username"], user["password_hash"], user["notify"]) == (f"deleted-{UUID(user_id).hex}", None, [])
        assert user["balance"] == 99  # one succeeded; what was open came back
        rows = await session.fetch(
            "SELECT status, input::text, output::text, error_message FROM predictions WHERE user_id = $1", user_id
        )
        assert Counter(row["status"] for row in rows) == {"succeeded": 1, "failed": 1, "canceled": 21}
        assert {row["input"] for row in rows} == {"null"}
        assert {row["output"] for row in rows} == {None, "null"}
        assert not any("secret" in str(row["error_message"]) for row in rows)
        assert await session.fetchval("SELECT count(*) FROM transactions WHERE user_id = $1", user_id) == 1 + 2 * 23
        for table in ("sessions", "idempotency_keys", "telegram_link_codes", "deliveries"):
            assert await session.fetchval(f"SELECT count(*) FROM {table} WHERE user_id = $1", user_id) == 0, table
        chat = await session.fetchrow("SELECT user_id = own_user_id AS is_free FROM telegram_chats")
        assert chat is not None
        assert chat["is_free"]
        assert await session.fetchval("SELECT count(*) FROM users WHERE username ILIKE '%anna%'") == 0
    assert (await service.join("anna")).username == "anna"  # the name is free


async def test_late_work_of_a_deleted_account_is_canceled_and_erased(service: Service, anna: Person) -> None:
    """A request that was under way when the account was deleted may still be accepted."""
    user_id = (await anna.get("/users/me")).json()["id"]
    late = (await anna.predict("late")).json()["id"]
    erasure = Erasure(service.database)
    async with service.database.begin() as session:
        login = await users.login_of(session, "anna")
        assert login is not None
        assert await deleted_accounts.close(session, login.user_id, login.password_hash)
    await erasure.run()

    async def state() -> tuple[str, str, bool]:
        async with service.database.autocommit() as session:
            row = await session.fetchrow("SELECT status, input::text FROM predictions WHERE id = $1", late)
            pending = await deleted_accounts.pending(session)
        assert row is not None
        return row["status"], row["input"], pending == [UUID(user_id)]

    assert await state() == ("canceled", "null", True)
    async with service.database.autocommit() as session:
        await session.execute("UPDATE accounts_to_erase SET deleted_at = now() - interval '11 minutes'")
    await erasure.run()
    assert await state() == ("canceled", "null", False)


async def test_a_long_history_is_erased_in_pieces(
    service: Service, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "ERASED_TOGETHER", 7)
    monkeypatch.setattr(account_api, "ERASED_AT_ONCE_S", 0.0)  # all of it is left to the background
    await anna.post("/predictions/batch", {"items": [{"text": "a secret item"}] * 40})
    assert (await delete(anna, "/users/me", json={"password": PASSWORD})).status_code == 204
    await asyncio.gather(Erasure(service.database).run(), Erasure(service.database).run())
    await Erasure(service.database).run()  # one passes over what the other is just canceling; the next look does it
    async with service.database.autocommit() as session:
        left = await session.fetchval(
            "SELECT count(*) FROM predictions WHERE input::text <> 'null' OR finished_at IS NULL"
        )
        assert await session.fetchval("SELECT count(*) FROM outbox") == 0
    assert left == 0


async def test_a_database_that_fails_after_the_deletion_does_not_deny_it(start_service: StartService) -> None:
    async with start_service(database_timeout_s=4) as service:
        anna = await service.join("anna")
        asked = (await anna.predict("a secret")).json()["id"]
        other = await asyncpg.connect(service.database_url)
        async with other.transaction():
            await other.execute("LOCK TABLE bulk_jobs IN ACCESS EXCLUSIVE MODE")
            assert (await delete(anna, "/users/me", json={"password": PASSWORD})).status_code == 204
        await other.close()
        assert code_of(await anna.get("/balance")) == (401, "unauthenticated")
        await Erasure(service.database).run()
        async with service.database.autocommit() as session:
            left = await session.fetchrow("SELECT status, input::text FROM predictions WHERE id = $1", asked)
        assert tuple(left or ()) == ("canceled", "null")


async def test_deleting_an_account_wants_the_password_and_bounds_guesses(service: Service, anna: Person) -> None:
    for body, expected in [({}, 422), ({"password": 7}, 422), ({"password": PASSWORD, "user_id": "x"}, 422)]:
        assert (await delete(anna, "/users/me", json=body)).status_code == expected
    tries = [(await delete(anna, "/users/me", json={"password": "wrong"})).status_code for _ in range(6)]
    assert tries == [401] * 5 + [429]
    demo = await service.sign_in("test", "test")
    assert code_of(await delete(demo, "/users/me", json={"password": "test"})) == (403, "permission_denied")
