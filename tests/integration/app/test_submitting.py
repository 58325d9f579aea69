"""What the submit routes take and refuse, whatever the spelling."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx2
import pytest

from tests.support.service import Person, Service, StartService, code_of

GOOD: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"text": "hello"}, {}),
    ({"text": "hello"}, {"Content-Type": "Application/JSON; charset=utf-8"}),
    ({"text": "hello", "input": None, "model": None}, {}),
    ({"input": {"text": "hello", "n": 1.5}, "text": None}, {}),
    ({"model": "echo", "input": {"text": "привет 🙂"}}, {}),
    ({"text": "hello"}, {"Prefer": "respond-async"}),
    ({"text": "hello"}, {"Prefer": "wait=x"}),
    ({"text": "hello", "deadline_s": 60}, {}),
    ({"text": r"spells \u0000"}, {}),
]


async def test_good_requests_are_accepted(anna: Person) -> None:
    for body, headers in GOOD:
        content = json.dumps(body).encode()
        answer = await anna.post(
            "/predictions/predict", content=content, headers={"Content-Type": "application/json", **headers}
        )
        assert answer.status_code == 202, (body, answer.text)
        assert re.fullmatch(r"/predictions/[0-9a-f-]{36}", answer.headers["location"])


async def test_keys_that_are_no_keys_are_refused(anna: Person) -> None:
    for path, body in (("predict", {"text": "a"}), ("batch", {"items": [{"text": "a"}]})):
        for key in ("", "k" * 256, "ключ", "a\tb"):
            answer = await anna.post(f"/predictions/{path}", body, headers={"Idempotency-Key": key.encode()})
            assert code_of(answer) == (422, "invalid_input"), key
            assert answer.json()["errors"][0]["location"] == "header.Idempotency-Key"
    assert await anna.balance() == (100, 0)


async def test_two_keys_are_refused(anna: Person) -> None:
    for path, body in (("predict", {"text": "a"}), ("batch", {"items": [{"text": "a"}]})):
        for second in ("k", "other"):
            headers = [*anna.headers.items(), ("Idempotency-Key", "k"), ("Idempotency-Key", second)]
            answer = await anna.client.post(f"/predictions/{path}", json=body, headers=headers)
            assert code_of(answer) == (422, "invalid_input")
    assert await anna.balance() == (100, 0)


def spelled(token: str) -> list[str]:
    """Ways to send a token that mean the same (RFC 9110, 11.4)."""
    return [f"Bearer {token}", f"bearer {token}", f"BEARER   {token}", f"Bearer \t{token}", f"Bearer {token}  "]


async def test_every_valid_spelling_of_a_token_is_accepted(anna: Person) -> None:
    for header in spelled(anna.tokens["access_token"]):
        headers = {"Authorization": header}
        assert (await anna.client.get("/users/me", headers=headers)).status_code == 200, header
        answer = await anna.client.post("/predictions/predict", json={"text": "a"}, headers=headers)
        assert answer.status_code == 202, header


async def test_an_invalid_token_gets_the_same_answer_everywhere(anna: Person) -> None:
    token = anna.tokens["access_token"]
    wrong: list[list[str]] = [
        [],
        ["Bearer"],
        ["Bearer "],
        ["Bearer x"],
        [token],
        [f"Token {token}"],
        [f"Basic {token}"],
        [f"Bearer {token[:-1]}"],
        [f"Bearer {token} {token}"],
        [f"Bearer {token}", f"Bearer {token}"],
    ]
    for headers in wrong:
        pairs = [("Authorization", header) for header in headers]
        for answer in (
            await anna.client.get("/users/me", headers=pairs),
            await anna.client.post("/predictions/predict", json={"text": "a"}, headers=pairs),
            await anna.client.post("/predictions/batch", json={"items": []}, headers=pairs),
            await anna.client.post("/predictions/predict", content=b"{", headers=pairs),
        ):
            assert code_of(answer) == (401, "unauthenticated"), headers


def refused(answer: httpx2.Response) -> bool:
    return code_of(answer) == (401, "unauthenticated")


async def test_a_signed_out_user_learns_nothing_else(anna: Person, service: Service) -> None:
    stays = await service.sign_in("anna")
    await anna.predict("a", Idempotency_Key="known")
    assert (await anna.post("/logout")).status_code == 204
    for body in ({"text": "a"}, {"text": ""}, {"model": "nope", "text": "a"}, {"model": "dear", "text": "a"}, {}):
        assert refused(await anna.post("/predictions/predict", body)), body
        assert refused(await anna.post("/predictions/predict", body, headers={"Idempotency-Key": "known"})), body
        assert refused(await anna.post("/predictions/batch", {"items": [body]})), body
    assert refused(await anna.post("/predictions/predict", content=b"text", headers={"Content-Type": "text/plain"}))
    answers = await asyncio.gather(*(one.predict() for one in (anna, stays, anna, stays)))  # in one commit
    assert [answer.status_code for answer in answers] == [401, 202, 401, 202]
    assert await stays.balance() == (97, 3)


@pytest.mark.parametrize("path", ["/predictions/predict", "/predictions/batch"])
async def test_another_method_is_not_allowed(anna: Person, path: str) -> None:
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        answer = await anna.client.request(method, path, headers=anna.headers)
        assert code_of(answer) == (405, "method_not_allowed")
        assert answer.headers["allow"] == "POST"


async def test_submissions_are_counted_under_their_route(start_service: StartService) -> None:
    async with start_service(metrics_networks="192.0.2.0/24") as open_:
        person = await open_.join()
        await person.post("/predictions/predict", {"text": "a"})
        await person.post("/predictions/predict", {"text": ""})
        text = (await open_.client.get("/metrics")).text
    for status in (202, 422):
        line = f'ml_service_requests_total{{method="POST",route="/predictions/predict",status="{status}"}} 1.0'
        assert line in text
