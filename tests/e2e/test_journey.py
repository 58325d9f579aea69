"""What a new user does, on a started system with each queue backend."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.support.system import PATIENCE_S, System

TEXT = "Доставили вовремя, всё отлично!"


@pytest.fixture
def client(system: System) -> Iterator[httpx2.Client]:
    """The demo user, signed in."""
    with system.client() as client:
        yield client


def answer_of(client: httpx2.Client, prediction_id: str) -> dict[str, Any]:
    """The prediction, once it is finished."""
    end = time.monotonic() + PATIENCE_S
    while True:
        prediction: dict[str, Any] = client.get(f"/predictions/{prediction_id}").raise_for_status().json()
        if prediction["status"] not in ("queued", "processing"):
            return prediction
        assert time.monotonic() < end, prediction
        time.sleep(0.05)


def balance_of(client: httpx2.Client) -> dict[str, int]:
    balance: dict[str, int] = client.get("/balance").raise_for_status().json()
    return balance


def test_start_prints_where_the_api_and_its_docs_are(system: System) -> None:
    assert f"http://localhost:{system.port}\n" in system.output
    assert f"http://localhost:{system.port}/docs\n" in system.output
    assert "user test, password test" in system.output


def test_a_text_becomes_a_paid_prediction(client: httpx2.Client) -> None:
    before = balance_of(client)
    asked = client.post("/predictions/predict", json={"text": TEXT})
    assert asked.status_code == 202, asked.text
    prediction = answer_of(client, asked.json()["id"])
    assert prediction["status"] == "succeeded", prediction
    assert prediction["model"] == "sentiment"
    assert prediction["output"]["label"] == "positive"
    assert prediction["worker_id"]
    assert prediction["cost"] > 0
    assert client.get("/predictions").json()["items"][0] == prediction
    assert balance_of(client) == {"balance": before["balance"] - prediction["cost"], "held": before["held"]}
    kinds = {one["kind"] for one in client.get("/transactions").json()["items"]}
    assert {"grant", "hold", "capture"} <= kinds


def test_a_client_that_prefers_to_wait_gets_the_answer_in_the_response(client: httpx2.Client) -> None:
    answer = client.post("/predictions/predict", json={"text": "This is awful."}, headers={"Prefer": "wait=50"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["output"]["label"] == "negative"


def test_a_repeated_key_returns_the_same_prediction_and_charges_once(client: httpx2.Client) -> None:
    before = balance_of(client)["balance"]
    headers = {"Idempotency-Key": str(uuid4()), "Prefer": "wait=50"}
    answers = [client.post("/predictions/predict", json={"text": TEXT}, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert balance_of(client)["balance"] == before - answers[0].json()["cost"]


def test_each_item_of_a_batch_of_two_hundred_gets_its_own_answer(system: System) -> None:
    with system.register(f"batch-{uuid4().hex[:8]}", 1000) as client:
        before = balance_of(client)["balance"]
        items = [{"model": "echo", "input": {"text": f"number {place}"}} for place in range(200)]
        batch = client.post("/predictions/batch", json={"items": items})
        assert batch.status_code == 202, batch.text
        texts = [answer_of(client, item["id"])["output"]["text"] for item in batch.json()["items"]]
        assert texts == [f"number {place}" for place in range(200)]
        assert balance_of(client) == {"balance": before - batch.json()["cost"], "held": 0}


def test_a_user_cannot_see_another_users_predictions(system: System, client: httpx2.Client) -> None:
    mine = client.post("/predictions/predict", json={"text": TEXT}).json()["id"]
    with system.register(f"other-{uuid4().hex[:8]}") as other:
        assert other.get(f"/predictions/{mine}").status_code == 404
        assert other.get("/predictions").json()["items"] == []


def test_the_docs_page_makes_no_request_to_another_host(system: System) -> None:
    page = httpx2.get(f"{system.url}/docs", timeout=60).raise_for_status()
    wanted = re.findall(r"""(?:src|href)=["']([^"']+)""", page.text)
    assert len(wanted) >= 3
    for address in wanted:
        assert "//" not in address, address
        httpx2.get(page.url.join(address), timeout=60).raise_for_status()
    paths = httpx2.get(f"{system.url}/openapi.json", timeout=60).json()["paths"]
    assert {"/users", "/token", "/predictions/predict", "/predictions/{prediction_id}", "/balance"} <= paths.keys()
