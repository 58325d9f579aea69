"""`ml-service` as an operator runs it, on the same started systems: `start.py --cli …`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from uuid import uuid4

import httpx2
import pytest

from tests.support.system import System

pytestmark = pytest.mark.slow

Person = tuple[str, httpx2.Client]


@pytest.fixture
def person(system: System) -> Iterator[Person]:
    """Somebody with the starting credits, signed in, and their name."""
    username = f"olga-{uuid4().hex[:8]}"
    with system.register(username) as client:
        yield username, client


def test_what_people_quote_is_found(system: System, person: Person) -> None:
    username, client = person
    asked = client.post("/predictions/predict", json={"model": "echo", "input": {"text": "Found."}}).json()
    key = client.post("/api-keys", json={"name": "[b]ci[/b]", "scopes": ["read"]}).json()
    me = client.get("/users/me").json()
    number = str(client.get("/transactions").json()["items"][0]["id"])
    for text, kind, found in (
        (asked["id"], "prediction", asked["id"]),
        (key["key"], "api_key", "[b]ci[/b]"),
        (number, "transaction", number),
        (username[:-1].upper(), "user", me["id"]),
        (me["id"], "user", username),
    ):
        lines = system.run("--cli", "admin", "search", text).splitlines()
        assert any(all(word in line for word in (kind, found, username)) for line in lines), (text, lines)
    assert "Nothing was found." in system.run("--cli", "admin", "search", str(uuid4()))


def test_a_prediction_is_canceled_with_a_reason_and_its_credits_go_back(system: System, person: Person) -> None:
    _, client = person
    with system.workers_frozen():
        asked = client.post("/predictions/predict", json={"model": "echo", "input": {"text": "Stop."}}).json()
        assert "--reason" in system.run("--cli", "admin", "cancel", asked["id"], expected=2)
        said = system.run("--cli", "admin", "cancel", asked["id"], "--reason", "[red]by mistake")
    assert f"{asked['id']} is canceled." in said
    assert client.get(f"/predictions/{asked['id']}").json()["status"] == "canceled"
    assert client.get("/balance").json() == {"balance": 100, "held": 0}
    listed = system.run("--cli", "admin", "actions")
    assert any(asked["id"] in line and "[red]by mistake" in line for line in listed.splitlines())
    assert f"{asked['id']} is canceled." in system.run("--cli", "admin", "cancel", asked["id"], "--reason", "twice")
    assert "not_found" in system.run("--cli", "admin", "cancel", str(uuid4()), "--reason", "x", expected=1)


def test_a_bulk_job_is_listed_and_canceled_with_a_reason(system: System, person: Person) -> None:
    _, client = person
    with system.workers_frozen():
        job = client.post(
            "/bulk?model=echo", content="\n".join('{"text": "a"}' for _ in range(30)),
            headers={"Content-Type": "application/x-ndjson"},
        ).json()  # fmt: skip
        bulk_id = job["bulk_id"]
        [line] = [line for line in system.run("--cli", "bulk", "list").splitlines() if bulk_id in line]
        assert all(word in line for word in ("echo@1", "running", "30"))
        said = system.run("--cli", "bulk", "cancel", bulk_id, "--reason", "too many")
    assert f"{bulk_id} is canceled: 0 of 30 lines had succeeded" in said
    assert client.get(f"/bulk/{bulk_id}").json()["status"] == "canceled"
    assert client.get("/balance").json() == {"balance": 100, "held": 0}
    assert bulk_id not in system.run("--cli", "bulk", "list")
    assert "is canceled" in system.run("--cli", "bulk", "cancel", bulk_id, "--reason", "twice")


def test_what_was_paid_is_refunded_once_and_not_more_than_it(system: System, person: Person) -> None:
    username, client = person
    client.post("/predictions/predict", json={"text": "Paid."}, headers={"Prefer": "wait=50"})
    for _ in range(2):
        said = system.run("--cli", "admin", "refund", username, "1", "--reason", "a wrong answer", "--key", username)
        assert f"{username} has 100 credits now." in said
    more = ("--reason", "more", "--key", f"{username}-2")
    assert re.search(r"invalid_input|at most", system.run("--cli", "admin", "refund", username, "1", *more, expected=1))
    assert client.get("/balance").json()["balance"] == 100
    assert client.get("/transactions").json()["items"][0]["kind"] == "refund"


def test_what_is_kept_is_listed_and_nothing_new_is_dropped(system: System, person: Person) -> None:
    _, client = person
    asked = client.post("/predictions/predict", json={"text": "Kept."}, headers={"Prefer": "wait=50"}).json()
    said = system.run("--cli", "retention", "--run")
    assert "Dropped: nothing." in said
    assert "predictions_first" in said
    assert "kept without end (RETENTION_DAYS)" in said
    assert client.get(f"/predictions/{asked['id']}").json() == asked
