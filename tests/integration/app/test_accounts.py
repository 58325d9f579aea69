"""Registering and signing in: what a stranger may try, and the answer they get."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from uuid import uuid4

import argon2
import jwt
import pytest

from ml_service.platform.settings.app import AppSettings
from ml_service.usecases import passwords
from services.app.wiring import create_app
from tests.support.service import PASSWORD, Person, Service, StartService, code_of

SECRET = "7f1c0d93e5b24a68a1d4c3f05e9b8726"
SOME_ID = "019a0b5e-7c1d-7000-8000-3f2a1b4c5d6e"
PRIVATE = [
    ("GET", "/users/me"),
    ("PATCH", "/users/me"),
    ("DELETE", "/users/me"),
    ("GET", "/users/me/export"),
    ("GET", "/users/me/sessions"),
    ("DELETE", "/users/me/sessions"),
    ("DELETE", f"/users/me/sessions/{SOME_ID}"),
    ("POST", "/users/me/password"),
    ("POST", "/logout"),
    ("GET", "/balance"),
    ("GET", "/transactions"),
    ("GET", "/predictions"),
    ("POST", "/predictions/predict"),
    ("POST", "/predictions/batch"),
    ("GET", f"/predictions/{SOME_ID}"),
    ("GET", f"/predictions/{SOME_ID}/events"),
    ("GET", "/events"),
    ("POST", f"/predictions/{SOME_ID}/cancel"),
]


async def test_a_new_user_begins_with_the_starting_credits(service: Service, anna: Person) -> None:
    me = (await anna.get("/users/me")).json()
    assert (me["username"], me["balance"], me["is_admin"], me["is_demo"]) == ("anna", 100, False, False)
    again = await service.client.post("/users", json={"username": "ANNA", "password": PASSWORD})
    assert code_of(again) == (409, "username_taken")


async def test_the_demo_user_exists_in_demo_mode_only(service: Service, start_service: StartService) -> None:
    demo = await service.sign_in("test", "test")
    assert (await demo.get("/users/me")).json()["is_demo"] is True
    async with start_service(mode="production") as production:
        answer = await production.client.post("/token", data={"username": "test", "password": "test"})
        assert code_of(answer) == (401, "wrong_credentials")
        assert code_of(await production.client.get("/balance", headers=demo.headers)) == (401, "unauthenticated")


REFUSED: list[tuple[object, object]] = [
    ("ab", PASSWORD),
    ("a" * 65, PASSWORD),
    ("a b c", PASSWORD),
    ("nul\0name", PASSWORD),
    ("<script>", PASSWORD),
    ("anna", "short"),
    ("anna", "a nul \0 inside"),
    ("аdmin", PASSWORD),
    ("anna", "password1"),
    ("anna", "p" * 129),
    ("anna", "p" * 15_000),
    ("longname", "LongName"),
    (7, PASSWORD),
    ("anna", None),
]


async def test_names_and_passwords_have_rules(service: Service) -> None:
    for username, password in REFUSED:
        started = time.perf_counter()
        answer = await service.client.post("/users", json={"username": username, "password": password})
        assert time.perf_counter() - started < 2
        assert code_of(answer) == (422, "invalid_input"), (username, str(password)[:50])
        assert str(password)[:200] not in answer.text or password is None


async def test_a_password_may_be_sent_in_either_form_of_its_letters(service: Service) -> None:
    composed, decomposed = "caf\u00e9 cr\u00e8me br\u00fbl\u00e9e", "cafe\u0301 cre\u0300me bru\u0302le\u0301e"
    for username, chosen, sent in (("ben", composed, decomposed), ("cem", decomposed, composed)):
        new = {"username": username, "password": chosen}
        assert (await service.client.post("/users", json=new)).status_code == 201
        for password in (sent, chosen):
            signed_in = await service.client.post("/token", data={"username": username, "password": password})
            assert signed_in.status_code == 200, signed_in.text
        wrong = await service.client.post("/token", data={"username": username, "password": "cafe creme brulee"})
        assert wrong.status_code == 401


async def test_passwords_are_stored_as_argon2id(start_service: StartService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # what makes hashes quick here
    async with start_service() as service:
        anna = await service.join("anna")
    async with service.database.autocommit() as session:
        stored = await session.fetchval("SELECT password_hash FROM users WHERE username = $1", anna.username)
    found = argon2.extract_parameters(stored)
    assert (found.type, found.version) == (argon2.Type.ID, 19)
    assert (found.memory_cost >= 19456, found.time_cost >= 2, found.parallelism >= 1) == (True, True, True)
    assert PASSWORD not in stored


async def test_the_sixth_wrong_password_closes_the_account_to_that_address(service: Service) -> None:
    await service.join("anna")
    await service.join("ben")

    async def try_(username: str, password: str, **headers: str) -> int:
        answer = await service.client.post("/token", data={"username": username, "password": password}, headers=headers)
        return answer.status_code

    dodges = [await try_("anna", "wrong", **{"X-Forwarded-For": f"10.0.0.{number}"}) for number in range(5)]
    assert dodges == [401] * 5
    closed = await service.client.post("/token", data={"username": "ANNA", "password": PASSWORD})
    assert code_of(closed) == (429, "too_many_requests")
    assert 1 <= int(closed.headers["retry-after"]) <= 300
    assert await try_("ben", PASSWORD) == 200
    assert [await try_("nobody", "wrong") for _ in range(6)] == [401] * 5 + [429]


async def test_unknown_names_and_wrong_passwords_are_answered_alike(service: Service) -> None:
    await service.join("anna")
    answers = [
        await service.client.post("/token", data={"username": name, "password": "wrong"}) for name in ("anna", "ghost")
    ]
    bodies = [{key: value for key, value in one.json().items() if key != "request_id"} for one in answers]
    assert bodies[0] == bodies[1]
    assert [code_of(one) for one in answers] == [(401, "wrong_credentials")] * 2


async def test_no_token_no_answer(service: Service) -> None:
    for method, path in PRIVATE:
        answer = await service.client.request(method, path, json=None if method == "GET" else {"text": "a"})
        assert code_of(answer) == (401, "unauthenticated"), path
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_forged_tokens_are_refused(anna: Person) -> None:
    token = anna.tokens["access_token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    header, payload, signature = token.split(".")
    flipped = base64.urlsafe_b64encode(json.dumps({**claims, "sub": str(uuid4())}).encode()).rstrip(b"=").decode()

    def forged(secret: str = SECRET, **other: object) -> str:
        return jwt.encode({**claims, **other}, secret, "HS256")

    assert (await anna.get("/balance")).status_code == 200
    attacks = [
        jwt.encode(claims, None, "none"),
        f"{header}.{flipped}.{signature}",
        f"{header}.{payload}.",
        forged("another key of thirty-two bytes!"),
        forged(aud="somebody else"),
        forged(iss="somebody else"),
        forged(exp=int(time.time()) - 1),
        forged(typ="refresh"),
        forged(sid=str(uuid4())),
        forged(sid=["a"]),
        forged(sub=str(uuid4())),
        anna.tokens["refresh_token"],
        "nonsense",
        "a" * 100_00,
    ]
    for attack in attacks:
        answer = await anna.client.get("/balance", headers={"Authorization": f"Bearer {attack}"})
        assert code_of(answer) == (401, "unauthenticated"), attack
    basic = await anna.client.get("/balance", headers={"Authorization": f"Basic {token}"})
    assert code_of(basic) == (401, "unauthenticated")


async def refresh(service: Service, token: str) -> tuple[int, dict[str, str]]:
    answer = await service.client.post("/token", data={"grant_type": "refresh_token", "refresh_token": token})
    return answer.status_code, answer.json()


async def test_a_refresh_token_is_good_once_and_a_second_use_ends_the_session(service: Service, anna: Person) -> None:
    old = anna.tokens["refresh_token"]
    status, new = await refresh(service, old)
    assert status == 200
    anna.tokens = new
    assert (await anna.get("/balance")).status_code == 200
    assert (await refresh(service, old))[0] == 401
    assert (await anna.get("/balance")).status_code == 401
    assert (await refresh(service, new["refresh_token"]))[0] == 401


async def test_a_password_that_was_not_checked_counts_as_no_wrong_one(
    service: Service, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {"username": "anna", "password": PASSWORD}
    with monkeypatch.context() as patch:
        patch.setattr(passwords, "WAITING_MAX", 0)
        for _ in range(10):
            assert code_of(await service.client.post("/token", data=form)) == (503, "overloaded")
    assert (await service.client.post("/token", data=form)).status_code == 200
    assert anna


async def test_twenty_refreshes_at_once_succeed_at_most_once(service: Service, anna: Person) -> None:
    answers = await asyncio.gather(*(refresh(service, anna.tokens["refresh_token"]) for _ in range(20)))
    assert [status for status, _ in answers].count(200) <= 1


async def test_signing_out_ends_the_tokens_at_once(service: Service, anna: Person) -> None:
    other = await service.sign_in("anna")
    assert (await anna.post("/logout")).status_code == 204
    assert code_of(await anna.get("/balance")) == (401, "unauthenticated")
    assert (await refresh(service, anna.tokens["refresh_token"]))[0] == 401
    assert (await other.get("/balance")).status_code == 200


async def test_a_new_password_ends_all_old_tokens(service: Service, anna: Person) -> None:
    other = await service.sign_in("anna")
    new = {"old_password": PASSWORD, "new_password": "a loud red mountain"}
    assert code_of(await anna.post("/users/me/password", {**new, "old_password": "wrong"})) == (
        401,
        "wrong_credentials",
    )
    assert code_of(await anna.post("/users/me/password", {**new, "new_password": "12345678"})) == (
        422,
        "invalid_input",
    )
    answer = await anna.post("/users/me/password", new)
    assert answer.status_code == 200
    for old in (anna, other):
        assert code_of(await old.get("/balance")) == (401, "unauthenticated")
    fresh = Person(service.client, "anna", answer.json())
    assert (await fresh.get("/balance")).status_code == 200
    assert (await service.sign_in("anna", new["new_password"])).tokens


async def test_registering_is_limited_for_each_address(start_service: StartService) -> None:
    async with start_service(registrations_per_hour_max=2) as service:
        for number in range(2):
            await service.join(f"person-{number}")
        refused = await service.client.post("/users", json={"username": "third", "password": PASSWORD})
        assert code_of(refused) == (429, "too_many_requests")


async def test_refused_registrations_do_not_count(start_service: StartService) -> None:
    async with start_service(registrations_per_hour_max=1) as service:
        for username, password in REFUSED:
            answer = await service.client.post("/users", json={"username": username, "password": password})
            assert answer.status_code == 422
        await service.join("anna")


async def test_registering_is_limited_in_all(start_service: StartService) -> None:
    async with start_service(registrations_in_all_per_hour_max=2, trusted_proxies="192.0.2.7") as service:
        codes = []
        for number in range(3):
            answer = await service.client.post(
                "/users",
                json={"username": f"person-{number}", "password": PASSWORD},
                headers={"X-Forwarded-For": f"198.51.100.{number}"},
            )
            codes.append(answer.status_code)
    assert codes == [201, 201, 429]


async def test_wrong_old_passwords_in_one_session_leave_the_owners_other_session_alone(
    service: Service, anna: Person
) -> None:
    stolen = await service.sign_in("anna")
    wrong = {"old_password": "wrong", "new_password": "a loud red mountain"}
    tries = [(await stolen.post("/users/me/password", wrong)).status_code for _ in range(6)]
    assert tries == [401] * 5 + [429]
    answer = await anna.post("/users/me/password", {**wrong, "old_password": PASSWORD})
    assert answer.status_code == 200


async def test_the_demo_users_password_stays(service: Service) -> None:
    demo = await service.sign_in("test", "test")
    answer = await demo.post("/users/me/password", {"old_password": "test", "new_password": PASSWORD})
    assert code_of(answer) == (403, "permission_denied")
    assert await service.sign_in("test", "test")


async def test_production_gives_no_credits_unless_it_is_told_to(start_service: StartService) -> None:
    async with start_service(mode="production") as service:
        assert await (await service.join("berta")).balance() == (0, 0)
    async with start_service(mode="production", starting_credits=7) as service:
        assert await (await service.join("carl")).balance() == (7, 0)


async def test_production_needs_a_real_secret() -> None:
    with pytest.raises(ValueError, match="JWT_SECRET"):
        create_app(AppSettings(mode="production", jwt_secret="secret"))
