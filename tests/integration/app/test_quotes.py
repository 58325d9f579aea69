"""What a request would cost and how long it would take, before it is made and while it waits."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from ml_service.storage import ledger
from services.app.api import events
from tests.support.service import Person, Service, StartService, code_of

QUOTE = "/predictions/quote"


async def test_a_quote_says_the_price_and_writes_nothing(service: Service, anna: Person) -> None:
    async with service.database.autocommit() as session:
        before = await ledger.audit(session)
    quote = await anna.post(QUOTE, {"text": "hello"})
    assert quote.status_code == 200
    assert quote.json() == {
        "cost_max": 1,
        "items": [{"model": "echo", "version": "1", "cost_max": 1}],
        "estimated_s": None,
        "balance": 100,
        "is_enough": True,
    }
    assert (await anna.get("/predictions")).json()["items"] == []
    assert await anna.balance() == (100, 0)
    async with service.database.autocommit() as session:
        assert await ledger.audit(session) == before


async def test_a_quote_of_a_batch_prices_each_item_and_compares_the_sum_with_the_balance(anna: Person) -> None:
    items = [{"model": "dear", "text": "a"}, {"text": "b"}, {"model": "dear@1", "text": "c"}]
    quote = (await anna.post(QUOTE, {"items": items})).json()
    assert [item["cost_max"] for item in quote["items"]] == [60, 1, 60]
    assert (quote["cost_max"], quote["is_enough"]) == (121, False)


REFUSED: list[tuple[Any, int, str, str | None]] = [
    ({"text": ""}, 422, "invalid_input", "input.text"),
    ({"items": [{"text": "a"}, {"text": ""}]}, 422, "invalid_input", "items.1.input.text"),
    ({"items": []}, 422, "invalid_input", "body.items"),
    ({"text": "a", "cost": 0}, 422, "invalid_input", "body.cost"),
    ({"items": [{"text": "a", "inptu": 1}]}, 422, "invalid_input", "body.items.0.inptu"),
    ({"model": "nothing", "text": "a"}, 404, "model_not_found", None),
    ([], 422, "invalid_input", "body"),
]


async def test_a_quote_is_refused_with_the_same_words_as_the_request(anna: Person) -> None:
    for body, status, code, location in REFUSED:
        quote = await anna.post(QUOTE, body)
        assert code_of(quote) == (status, code), body
        if location is not None:
            assert quote.json()["errors"][0]["location"] == location
        if isinstance(body, dict):
            asked = await anna.post("/predictions/batch" if "items" in body else "/predictions/predict", body)
            assert asked.json()["detail"] == quote.json()["detail"]


async def test_a_quote_needs_a_sign_in(service: Service) -> None:
    assert code_of(await service.client.post(QUOTE, json={"text": "a"})) == (401, "unauthenticated")


async def serve_echo(service: Service) -> None:
    """A live worker announces that it serves the model."""
    async with service.database.autocommit() as session:
        await session.execute(
            """
            INSERT INTO workers (id, number, host, pid, pools, models, state, lease_until)
            VALUES ('worker-1', 1, 'h', 1, '{default}', '{echo@1}', 'ready', now() + interval '1 minute')
            """
        )
    await service.components.catalog.refresh_for_unknown()


async def test_an_estimate_grows_with_what_waits(service: Service, anna: Person) -> None:
    async with service.database.autocommit() as session:
        await session.execute("UPDATE model_versions SET spec = jsonb_set(spec::jsonb, '{batch_size}', '1')::json")
    await serve_echo(service)
    async with service.worker():
        for _ in range(3):
            assert (await anna.predict(Prefer="wait=10")).json()["status"] == "succeeded"
    service.components.model_times.forget()
    idle = (await anna.post(QUOTE, {"text": "a"})).json()["estimated_s"]
    assert idle is not None
    for _ in range(40):
        await anna.predict()
    service.components.estimates.forget()
    busy = (await anna.post(QUOTE, {"items": [{"text": "a"}] * 60})).json()["estimated_s"]
    assert busy >= 100 * 0.0005 > 0, "40 that wait and 60 more, each half a millisecond"
    assert busy >= idle


def parsed(stream: str) -> list[tuple[str, str, Any]]:
    """Name, id and data of each event."""
    found = []
    for block in stream.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in fields:
            found.append((fields["event"], fields["id"], json.loads(fields["data"])))
    return found


async def test_a_stream_tells_the_place_in_line_until_a_worker_takes_it(
    service: Service, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "PLACE_S", 0.1)
    first, second, mine = [(await anna.predict(text)).json()["id"] for text in ("one", "two", "mine")]
    stream = asyncio.create_task(anna.get(f"/predictions/{mine}/events"))
    await asyncio.sleep(0.5)
    await anna.post(f"/predictions/{first}/cancel")
    await asyncio.sleep(2.0)
    async with service.worker():
        told = parsed((await stream).text)
    assert [data["position"] for name, _, data in told if name == "queue"][:2] == [3, 2]
    assert told[0][:2] == ("status", "0-queued")
    assert told[1][:2] == ("queue", "0-queued")
    assert (told[-1][:2], told[-1][2]["status"]) == (("status", "1-succeeded"), "succeeded")
    assert second


async def test_a_stream_goes_on_after_the_last_event_that_was_received(service: Service, anna: Person) -> None:
    mine = (await anna.predict("mine")).json()["id"]
    headers = {"Last-Event-ID": "0-queued"}
    stream = asyncio.create_task(anna.get(f"/predictions/{mine}/events", headers=headers))
    await asyncio.sleep(0.3)
    async with service.worker():
        told = parsed((await stream).text)
    assert "0-queued" not in [event_id for name, event_id, _ in told if name == "status"]
    again = await anna.get(f"/predictions/{mine}/events", headers={"Last-Event-ID": "1-succeeded"})
    assert [event_id for _, event_id, _ in parsed(again.text)] == ["1-succeeded"], "the end is always told"


async def test_an_item_of_a_batch_has_no_place(service: Service, anna: Person) -> None:
    batch = (await anna.post("/predictions/batch", {"items": [{"text": "a"}]})).json()
    stream = asyncio.create_task(anna.get(f"/predictions/{batch['items'][0]['id']}/events"))
    await asyncio.sleep(0.3)
    async with service.worker():
        told = parsed((await stream).text)
    assert {name for name, _, _ in told} == {"status"}


async def test_limits_are_told_right_over_all_replicas(start_service: StartService) -> None:
    wrong = {"username": "anna", "password": "a wrong password"}
    async with start_service() as first, start_service() as second:
        anna = await first.join("anna")
        said = []
        for turn in range(5):
            service = (first, second)[turn % 2]
            answer = await service.client.post("/token", data=wrong)
            assert code_of(answer) == (401, "wrong_credentials")
            assert answer.headers["ratelimit-policy"] == '"sign-in";q=5;w=300'
            said.append(answer.headers["ratelimit"].partition(";t=")[0])
        assert said == [f'"sign-in";r={left}' for left in (4, 3, 2, 1, 0)]
        refused = await second.client.post("/token", data=wrong)
        assert code_of(refused) == (429, "too_many_requests")
        left, _, seconds = refused.headers["ratelimit"].partition(";t=")
        assert (left, seconds) == ('"sign-in";r=0', refused.headers["retry-after"])
        assert "ratelimit" not in (await anna.get("/balance")).headers


async def test_the_right_password_gives_all_tries_back(service: Service, anna: Person) -> None:
    await service.client.post("/token", data={"username": "anna", "password": "a wrong password"})
    right = await service.client.post("/token", data={"username": "anna", "password": "a quiet green river"})
    assert right.headers["ratelimit"].startswith('"sign-in";r=5;t=')
    assert anna


async def test_registering_tells_its_limits(service: Service) -> None:
    person = {"username": "zoe", "password": "a quiet green river"}
    answer = await service.client.post("/users", json=person)
    assert answer.headers["ratelimit-policy"] == '"register";q=60;w=3600, "register-in-all";q=1000;w=3600'
    assert answer.headers["ratelimit"].startswith('"register";r=59;t=3600')
