"""API keys over HTTP: made once, shown once, and what they may do."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from ml_service.domain.credentials import Scope
from services.app.auth import api_keys as auth_keys
from tests.support.service import DEAR, Person, Service, StartService, code_of
from tests.support.waiting import PATIENCE_S

NEW = {"name": "ci", "scopes": ["predict", "read"]}


async def make(person: Person, **fields: Any) -> dict[str, Any]:
    answer = await person.post("/api-keys", NEW | fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def by(key: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}"}


async def predict(service: Service, key: dict[str, Any], **body: Any) -> httpx2.Response:
    return await service.client.post("/predictions/predict", json={"text": "hello"} | body, headers=by(key))


async def test_a_key_is_shown_once_and_kept_as_a_hash(service: Service, anna: Person) -> None:
    made = await make(anna, spend_cap={"credits": 10, "per": "day"}, models=["echo"], rate_limit_per_minute=600)
    assert made["key"].startswith(made["prefix"])
    assert len(made["key"]) == 36
    [listed] = (await anna.get("/api-keys")).json()["items"]
    assert listed == {name: value for name, value in made.items() if name != "key"}
    assert listed["spend_cap"] == {"credits": 10, "per": "day"}
    async with service.database.autocommit() as session:
        for table in ("api_keys", "api_key_tokens"):
            [row] = await session.fetch(f"SELECT t::text AS row FROM {table} AS t")
            assert made["key"] not in row["row"]
            assert made["key"].encode().hex() not in row["row"]


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
async def test_a_key_submits_and_reads_for_its_user(service: Service, anna: Person, header: str) -> None:
    key = await make(anna)
    headers = {header: key["key"] if header == "X-API-Key" else f"Bearer {key['key']}"}
    answer = await service.client.post("/predictions/predict", json={"text": "hello"}, headers=headers)
    assert answer.status_code == 202, answer.text
    assert (answer.json()["key_id"], answer.json()["source"]) == (key["id"], "api")
    path = answer.headers["location"]
    assert (await service.client.get(path, headers=headers)).json()["key_id"] == key["id"]
    assert (await service.client.get("/users/me", headers=headers)).json()["username"] == "anna"
    assert (await service.client.get("/balance", headers=headers)).json() == {"balance": 99, "held": 1}
    canceled = await service.client.post(f"{path}/cancel", headers=headers)
    assert canceled.json()["status"] == "canceled"
    moved = (await anna.get("/transactions")).json()["items"]
    assert [one["actor"]["kind"] for one in moved[:2]] == ["key", "key"] if "actor" in moved[0] else True


async def test_a_key_counts_nowhere_but_in_the_two_headers(service: Service, anna: Person) -> None:
    key = (await make(anna))["key"]
    for url in (f"/balance?api_key={key}", f"/balance?X-API-Key={key}", f"/balance?access_token={key}"):
        assert code_of(await service.client.get(url)) == (401, "unauthenticated")
    for headers in (
        [("X-API-Key", key), ("Authorization", f"Bearer {key}")],
        [("X-API-Key", key), ("X-API-Key", key)],
        [("Authorization", f"Basic {key}")],
        [("X-API-Key", anna.tokens["access_token"])],
        [("X-API-Key", key[:-1])],
        [("X-API-Key", key[:-1] + ("a" if key[-1] != "a" else "b"))],
        [("X-API-Key", "mls_" + "é" * 32)],
        [("Cookie", f"session={key}")],
    ):
        answer = await service.client.get("/balance", headers=[(n, v.encode("latin-1")) for n, v in headers])  # type: ignore[arg-type]
        assert code_of(answer) == (401, "unauthenticated")
        body = {"text": "hello"}
        answer = await service.client.post(
            "/predictions/predict",
            json=body,
            headers=[(n, v.encode("latin-1")) for n, v in headers],  # type: ignore[arg-type]
        )
        assert code_of(answer) == (401, "unauthenticated")


async def test_a_cap_is_answered_402_with_what_is_left(service: Service, anna: Person) -> None:
    key = await make(anna, spend_cap={"credits": 2, "per": "total"})
    for _ in range(2):
        assert (await predict(service, key)).status_code == 202
    refused = await predict(service, key)
    assert code_of(refused) == (402, "key_cap_exceeded")
    assert (refused.json()["cost"], refused.json()["cap_left"]) == (1, 0)
    [listed] = (await anna.get("/api-keys")).json()["items"]
    assert (listed["spent_credits"], listed["spent"]) == (2, {"day": 2, "month": 2, "total": 2})
    assert (await anna.predict()).status_code == 202  # the cap is the key's, not the user's
    raised = await anna.client.patch(
        f"/api-keys/{key['id']}", json={"spend_cap": {"credits": 3, "per": "day"}}, headers=anna.headers
    )
    assert (raised.json()["spent_credits"], raised.json()["name"]) == (2, "ci")
    assert (await predict(service, key)).status_code == 202
    assert code_of(await predict(service, key)) == (402, "key_cap_exceeded")


async def test_two_apps_and_two_hundred_requests_hold_exactly_the_cap(
    service: Service, start_service: StartService, anna: Person
) -> None:
    key = await make(anna, spend_cap={"credits": 10, "per": "day"})
    watched: list[tuple[int, int]] = []

    async def watch() -> None:
        while True:
            async with service.database.begin() as session:
                row = await session.fetchrow(
                    "SELECT k.spent_day, (SELECT coalesce(sum(amount), 0) FROM transactions"
                    " WHERE kind = 'hold' AND actor_kind = 'key')::bigint AS held FROM api_keys AS k"
                )
            watched.append((row["spent_day"], row["held"]))  # type: ignore[index]
            await asyncio.sleep(0.01)

    async with start_service() as other:

        async def ask(number: int) -> tuple[httpx2.Response, int]:
            client = (service if number % 2 else other).client
            size = number % 3
            if size == 0:
                return await client.post("/predictions/predict", json={"text": "hello"}, headers=by(key)), 1
            items = [{"text": "hello"}] * size
            return await client.post("/predictions/batch", json={"items": items}, headers=by(key)), size

        watching = asyncio.create_task(watch())
        answers = await asyncio.gather(*(ask(number) for number in range(200)))
        watching.cancel()
    assert sum(cost for answer, cost in answers if answer.status_code == 202) == 10
    refused = [answer for answer, _ in answers if answer.status_code != 202]
    assert {code_of(answer) for answer in refused} == {(402, "key_cap_exceeded")}
    assert await anna.balance() == (90, 10)
    assert {spent - held for spent, held in watched} == {0}
    assert len(watched) > 3


async def test_a_refused_request_behind_others_is_no_false_402(service: Service, anna: Person) -> None:
    key = await make(anna, spend_cap={"credits": 10, "per": "day"})
    sizes = [8, 9, 2, 9]
    answers = await asyncio.gather(
        *(
            service.client.post("/predictions/batch", json={"items": [{"text": "hello"}] * size}, headers=by(key))
            for size in sizes
        )
    )
    held = sum(size for size, answer in zip(sizes, answers, strict=True) if answer.status_code == 202)
    assert held >= 9


async def test_a_key_is_for_its_models(service: Service, anna: Person) -> None:
    key = await make(anna, models=["echo"])
    assert (await predict(service, key)).status_code == 202
    assert code_of(await predict(service, key, model=DEAR.name)) == (403, "model_not_allowed")
    assert await anna.balance() == (99, 1)


async def test_a_rate_limit_counts_every_request_of_the_key_over_all_replicas(
    service: Service, start_service: StartService, anna: Person
) -> None:
    key = await make(anna, rate_limit_per_minute=6)
    async with start_service() as other:
        clients = [service.client, other.client] * 6
        answers = await asyncio.gather(*(client.get("/balance", headers=by(key)) for client in clients))
        assert [answer.status_code for answer in answers].count(200) == 6
        refused = next(answer for answer in answers if answer.status_code != 200)
        assert code_of(refused) == (429, "too_many_requests")
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert code_of(await predict(other, key)) == (429, "too_many_requests")
    assert (await anna.get("/balance")).status_code == 200
    assert "ml_service_api_key_refusals_total" in service.components.metrics.text(service.components.load).decode()


async def test_a_new_rate_limit_counts_for_submissions_too(
    service: Service, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth_keys, "FRESH_S", 0.0)
    key = await make(anna)
    assert (await predict(service, key)).status_code == 202
    changed = await anna.client.patch(f"/api-keys/{key['id']}", json={"rate_limit_per_minute": 1}, headers=anna.headers)
    assert changed.status_code == 200
    async with asyncio.timeout(PATIENCE_S):
        while (await predict(service, key)).status_code != 429:
            pass


async def test_a_revoked_key_is_refused_at_once_by_every_replica(
    service: Service, start_service: StartService, anna: Person
) -> None:
    key = await make(anna)
    async with start_service() as other:
        for one in (service, other):
            assert (await predict(one, key)).status_code == 202
            assert (await one.client.get("/balance", headers=by(key))).status_code == 200
        revoked = await anna.client.delete(f"/api-keys/{key['id']}", headers=anna.headers)
        assert revoked.status_code == 204
        for one in (service, other):
            assert code_of(await predict(one, key)) == (401, "unauthenticated")
            assert code_of(await one.client.get("/balance", headers=by(key))) == (401, "unauthenticated")
    assert (await anna.get("/api-keys")).json() == {"items": []}
    again = await anna.client.delete(f"/api-keys/{key['id']}", headers=anna.headers)
    assert code_of(again) == (404, "not_found")


async def test_an_expired_key_is_refused(service: Service, anna: Person) -> None:
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()
    assert code_of(await anna.post("/api-keys", NEW | {"expires_at": past})) == (422, "invalid_input")
    soon = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    key = await make(anna, expires_at=soon)
    assert (await predict(service, key)).status_code == 202
    await asyncio.sleep(1.1)
    assert code_of(await predict(service, key)) == (401, "unauthenticated")
    assert code_of(await service.client.get("/balance", headers=by(key))) == (401, "unauthenticated")


async def test_rotating_under_load_refuses_nobody(service: Service, anna: Person) -> None:
    key = await make(anna, spend_cap={"credits": 90, "per": "total"})
    tokens = [key["key"]]
    statuses: list[int] = []

    async def ask() -> None:
        statuses.extend([(await predict(service, {"key": tokens[-1]})).status_code for _ in range(20)])

    async def rotate() -> None:
        for _ in range(3):
            answer = await anna.post(f"/api-keys/{key['id']}/rotate", {"grace_s": 60})
            assert answer.status_code == 200, answer.text
            assert answer.json()["id"] == key["id"]
            tokens.append(answer.json()["key"])

    await asyncio.gather(*(ask() for _ in range(4)), rotate())
    assert set(statuses) == {202}
    [listed] = (await anna.get("/api-keys")).json()["items"]
    assert (listed["spent_credits"], listed["prefix"]) == (80, tokens[-1][:10])
    assert (await predict(service, {"key": tokens[0]})).status_code == 202
    answer = await anna.post(f"/api-keys/{key['id']}/rotate", {"grace_s": 0})
    assert code_of(await predict(service, {"key": tokens[-1]})) == (401, "unauthenticated")
    assert (await predict(service, answer.json())).status_code == 202


async def test_a_stream_ends_with_its_key(service: Service, anna: Person) -> None:
    key = await make(anna)

    async def follow() -> int:
        async with service.client.stream("GET", "/events", headers=by(key)) as stream:
            return len([line async for line in stream.aiter_lines()])

    following = asyncio.create_task(follow())
    await asyncio.sleep(0.3)
    await anna.client.delete(f"/api-keys/{key['id']}", headers=anna.headers)
    async with asyncio.timeout(10):
        assert await following > 0


async def test_one_users_keys_are_missing_for_another(service: Service, anna: Person) -> None:
    key = await make(anna)
    ben = await service.join("ben")
    path = f"/api-keys/{key['id']}"
    answers = [
        await ben.client.patch(path, json={"name": "mine"}, headers=ben.headers),
        await ben.client.delete(path, headers=ben.headers),
        await ben.post(f"{path}/rotate", {}),
    ]
    assert {code_of(answer) for answer in answers} == {(404, "not_found")}
    assert (await ben.get("/api-keys")).json() == {"items": []}
    assert (await predict(service, key)).status_code == 202


async def test_a_blocked_users_keys_are_refused_until_the_block_ends(service: Service, anna: Person) -> None:
    key = await make(anna)
    async with service.database.autocommit() as session:
        await session.execute("UPDATE users SET is_blocked = true WHERE username = 'anna'")
        assert code_of(await predict(service, key)) == (403, "blocked")
        assert code_of(await service.client.get("/balance", headers=by(key))) == (403, "blocked")
        await session.execute("UPDATE users SET is_blocked = false WHERE username = 'anna'")
    assert (await predict(service, key)).status_code == 202


async def test_the_keys_of_a_deleted_account_are_gone(service: Service, anna: Person) -> None:
    key = await make(anna)
    assert (await predict(service, key)).status_code == 202
    gone = await anna.client.request(
        "DELETE", "/users/me", json={"password": "a quiet green river"}, headers=anna.headers
    )
    assert gone.status_code == 204, gone.text
    assert code_of(await predict(service, key)) == (401, "unauthenticated")
    assert code_of(await service.client.get("/balance", headers=by(key))) == (401, "unauthenticated")


async def test_a_submission_is_a_use_and_what_it_spends_is_listed_at_once(service: Service, anna: Person) -> None:
    key = await make(anna)
    assert (await predict(service, key)).status_code == 202
    async with asyncio.timeout(PATIENCE_S):
        while (listed := (await anna.get("/api-keys")).json()["items"][0])["last_used_at"] is None:
            await asyncio.sleep(0.02)
    assert listed["spent"] == {"day": 1, "month": 1, "total": 1}


async def test_the_last_use_is_written_rarely(service: Service, anna: Person) -> None:
    key = await make(anna, scopes=["read"])

    async def version() -> tuple[Any, Any]:
        async with service.database.autocommit() as session:
            row = await session.fetchrow("SELECT last_used_at, xmin::text AS xmin FROM api_keys")
        return row["last_used_at"], row["xmin"]  # type: ignore[index]

    async with asyncio.timeout(PATIENCE_S):
        while (await version())[0] is None:
            await service.client.get("/balance", headers=by(key))
    used = await version()
    for _ in range(5):
        await service.client.get("/balance", headers=by(key))
    await asyncio.sleep(0.2)
    assert await version() == used


async def test_an_account_has_so_many_keys_at_most(start_service: StartService) -> None:
    async with start_service(api_keys_per_user_max=3) as service:
        person = await service.join()
        answers = await asyncio.gather(*(person.post("/api-keys", NEW) for _ in range(10)))
        assert [answer.status_code for answer in answers].count(201) == 3
        refused = next(answer for answer in answers if answer.status_code != 201)
        assert code_of(refused) == (403, "permission_denied")
        key = next(answer for answer in answers if answer.status_code == 201).json()
        await person.client.delete(f"/api-keys/{key['id']}", headers=person.headers)
        assert (await person.post("/api-keys", NEW)).status_code == 201


async def test_an_unknown_key_with_a_broken_body_is_401_first(service: Service, anna: Person) -> None:
    reader = await make(anna, scopes=["read"])
    body = {"text": 7}
    for key, expected in (({"key": "mls_" + "a" * 32}, (401, "unauthenticated")), (reader, (403, "scope_missing"))):
        assert code_of(await predict(service, key, **body)) == expected
    assert set(Scope) == {"predict", "read", "bulk", "webhooks"}


async def test_history_and_usage_are_told_by_key(service: Service, anna: Person) -> None:
    one, other = await make(anna, name="one"), await make(anna, name="other")
    async with service.worker():
        for key in (one, one, other):
            answer = await service.client.post(
                "/predictions/predict", json={"text": "hello"}, headers=by(key) | {"Prefer": "wait=20"}
            )
            assert answer.json()["status"] == "succeeded"
        await anna.predict(Prefer="wait=20")
    listed = (await anna.get(f"/predictions?key={one['id']}")).json()["items"]
    assert [item["key_id"] for item in listed] == [one["id"]] * 2
    await anna.client.delete(f"/api-keys/{other['id']}", headers=anna.headers)
    usage = (await anna.get("/usage?by=key")).json()
    assert [(item["key_name"], item["predictions"], item["credits"]) for item in usage["items"]] == [
        ("one", 2, 2),
        ("other", 1, 1),
        (None, 1, 1),
    ]


async def test_a_quote_by_key_heeds_its_cap_and_models(service: Service, anna: Person) -> None:
    key = await make(anna, spend_cap={"credits": 1, "per": "month"}, models=["echo"])
    url = "/predictions/quote"
    one = await service.client.post(url, json={"text": "hello"}, headers=by(key))
    two = await service.client.post(url, json={"items": [{"text": "hello"}] * 2}, headers=by(key))
    assert (one.json()["is_enough"], two.json()["is_enough"]) == (True, False)
    refused = await service.client.post(url, json={"text": "hello", "model": DEAR.name}, headers=by(key))
    assert code_of(refused) == (403, "model_not_allowed")
