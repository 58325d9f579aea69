"""The short way of a plain submission answers as the route does, whatever is sent."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import httpx2
import pytest

from services.app import shortcut
from tests.integration.app.conftest import Person, Service, StartService, code_of
from tests.integration.app.test_bad_input import BODIES, JSON

ROUTE = "application/json; charset=utf-8"
"""A media type that says the same, and that the short way leaves to the route."""
GOOD: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"text": "hello"}, {}),
    ({"text": "hello", "input": None, "model": None}, {}),
    ({"input": {"text": "hello", "n": 1.5}, "text": None}, {}),
    ({"model": "echo", "input": {"text": "привет 🙂"}}, {}),
    ({"text": "hello"}, {"Prefer": "respond-async"}),
    ({"text": "hello"}, {"Prefer": "wait=x"}),
    ({"text": "hello", "deadline_s": 60}, {}),
    ({"text": "hello", "more": 1}, {}),
    ({"text": r"spells \u0000"}, {}),
]
KEYS = ["", " ", "k" * 256, "ключ", "a\tb"]


def shown(answer: httpx2.Response) -> tuple[int, Any, list[str]]:
    """Status, body and names of headers, without what differs from request to request."""
    body = answer.json()
    for name in ("id", "created_at", "deadline_at", "request_id", "instance"):
        body.pop(name, None)
    return answer.status_code, body, sorted(answer.headers)


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What has gone the short way."""
    seen: list[Any] = []
    submit = shortcut.submit

    async def seen_submit(parts: Any, user_id: Any, wanted: Any, session_id: Any) -> Any:
        seen.append(wanted)
        return await submit(parts, user_id, wanted, session_id)

    monkeypatch.setattr(shortcut, "submit", seen_submit)
    return seen


async def test_what_is_plain_goes_the_short_way_and_nothing_else(anna: Person, passed: list[Any]) -> None:
    await anna.post("/predictions/predict", {"text": "a"})
    assert len(passed) == 1
    await anna.post("/predictions/predict", {"text": "a", "deadline_s": 60})
    await anna.post("/predictions/predict", content=b'{"text": "a"}', headers={"Content-Type": ROUTE})
    await anna.client.post("/predictions/predict", json={"text": "a"})
    await anna.client.post("/predictions/predict", json={"text": "a"}, headers={"Authorization": "Basic YTpi"})
    assert len(passed) == 1


async def test_both_ways_accept_alike(anna: Person) -> None:
    for body, headers in GOOD:
        content = json.dumps(body).encode()
        by_route = await anna.post("/predictions/predict", content=content, headers={"Content-Type": ROUTE, **headers})
        short = await anna.post("/predictions/predict", content=content, headers={"Content-Type": JSON, **headers})
        assert shown(short) == shown(by_route), (body, headers)
        assert by_route.status_code == 202, (body, by_route.text)
        assert re.fullmatch(r"/predictions/[0-9a-f-]{36}", short.headers["location"])


async def test_both_ways_refuse_alike(anna: Person) -> None:
    for name, content, media_type, status in BODIES:
        if media_type == JSON:
            by_route = await anna.post("/predictions/predict", content=content, headers={"Content-Type": ROUTE})
            short = await anna.post("/predictions/predict", content=content, headers={"Content-Type": JSON})
            assert shown(short) == shown(by_route), name
            assert short.status_code == status
    assert await anna.balance() == (100, 0)


async def test_both_ways_take_the_same_keys(anna: Person) -> None:
    for key in KEYS:
        headers = {"Idempotency-Key": key.encode()}
        by_route = await anna.client.post(
            "/predictions/predict", json={"text": "a"}, headers={**anna.headers, **headers, "Content-Type": ROUTE}
        )
        short = await anna.client.post("/predictions/predict", json={"text": "a"}, headers={**anna.headers, **headers})
        if by_route.status_code == 202:
            assert (short.status_code, short.headers["idempotent-replayed"]) == (202, "true"), key
            assert short.json()["id"] == by_route.json()["id"]
        else:
            assert shown(short) == shown(by_route), key


async def test_both_ways_refuse_the_same_tokens(anna: Person, service: Service) -> None:
    for header in ("Bearer", "Bearer ", "Bearer x", f"Token {anna.tokens['access_token']}", f"bearer  {'a' * 5}"):
        answers = [
            await service.client.post(
                "/predictions/predict",
                json={"text": "a"},
                headers={"Authorization": header, "Content-Type": media_type},
            )
            for media_type in (ROUTE, JSON)
        ]
        assert shown(answers[0]) == shown(answers[1]), header
        assert answers[0].status_code == 401
    lower = {"Authorization": f"bearer {anna.tokens['access_token']}"}
    assert (await service.client.post("/predictions/predict", json={"text": "a"}, headers=lower)).status_code == 202


async def test_who_has_signed_out_learns_nothing_on_either_way(anna: Person, service: Service) -> None:
    stays = await service.sign_in("anna")
    assert (await anna.post("/logout", json={"refresh_token": anna.tokens["refresh_token"]})).status_code < 300
    for body in ({"text": "a"}, {"text": ""}, {"model": "nope", "text": "a"}, {"model": "dear", "text": "a"}):
        content = json.dumps(body).encode()
        for media_type in (ROUTE, JSON):
            answer = await anna.post("/predictions/predict", content=content, headers={"Content-Type": media_type})
            assert code_of(answer) == (401, "unauthenticated"), (body, media_type)
    answers = await asyncio.gather(*(one.predict() for one in (anna, stays, anna, stays)))  # in one commit
    assert [answer.status_code for answer in answers] == [401, 202, 401, 202]
    assert await stays.balance() == (98, 2)


async def test_both_ways_are_counted_under_one_route(start_service: StartService) -> None:
    async with start_service(metrics_networks="192.0.2.0/24") as open_:
        person = await open_.join()
        await person.post("/predictions/predict", {"text": "a"})
        await person.post("/predictions/predict", {"text": "a", "deadline_s": 60})
        text = (await open_.client.get("/metrics")).text
    assert 'ml_service_requests_total{method="POST",route="/predictions/predict",status="202"} 2.0' in text
