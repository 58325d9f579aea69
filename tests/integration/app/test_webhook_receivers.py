"""Receivers that fail, hang, redirect, or answer too much; what the log says of it, and when they are let be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime

import pytest

from ml_service.background import webhook_deliverer, webhook_windows
from ml_service.domain import webhooks as domain
from tests.support.hooks import LOCAL, attempted, create, ended, log_of, patch
from tests.support.receiver import HookReceiver
from tests.support.service import Person, Service, StartService, code_of

pytestmark = pytest.mark.slow


@pytest.fixture
async def receiver() -> AsyncIterator[HookReceiver]:
    async with HookReceiver().listening() as receiver:
        yield receiver


@pytest.fixture
async def service(start_service: StartService) -> AsyncIterator[Service]:
    """The app, which may send to this machine."""
    async with start_service(**LOCAL) as service:
        yield service


@pytest.fixture
def _hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts follow each other at once."""
    monkeypatch.setattr(domain, "DELAYS_S", (0.05, 0.05, 0.05))
    monkeypatch.setattr(webhook_windows, "FAILED_PAUSE_S_MAX", 0.05)


@pytest.mark.usefixtures("_hurried")
@pytest.mark.parametrize(
    ("path", "status", "error", "code", "detail", "answer"),
    [
        ("/500", 500, "It answered 500.", "answered", "500", "out of order\N{REPLACEMENT CHARACTER} \N{SNOWMAN}"),
        ("/redirect", 307, "redirects are not followed", "redirected", "/ok", ""),
        ("/hang", None, "There was no answer within 1.5 s.", "timed_out", "1.5", None),
        ("/close", None, "closed the connection", "closed", None, None),
    ],
)
async def test_a_failing_delivery_is_retried_logged_and_given_up(
    anna: Person,
    receiver: HookReceiver,
    path: str,
    status: int | None,
    error: str,
    code: str,
    detail: str | None,
    answer: str | None,
) -> None:
    made = await create(anna, receiver.url + path)
    sent = (await anna.post(f"/webhooks/{made['id']}/test")).json()
    assert (sent["state"], sent["event"], sent["attempts"]) == ("pending", "webhook.test", [])
    [delivery] = await ended(anna, made["id"])
    assert delivery["state"] == "failed"
    assert len(delivery["attempts"]) == 4
    for attempt in delivery["attempts"]:
        assert (attempt["status"], attempt["answer"]) == (status, answer)
        assert error in attempt["error"]
        assert attempt["code"] == code
        assert (attempt["detail"] or "").endswith(detail or "")
        assert (attempt["detail"] is None) == (detail is None)
    assert len({one.id for one in receiver.received}) == 1
    assert len(receiver.of(path)) == 4
    assert not receiver.of("/ok")
    assert (await anna.get("/webhooks")).json()["items"][0]["failing_since"] is not None


@pytest.mark.parametrize("path", ["/huge", "/drip"])
async def test_an_answer_that_does_not_end_is_cut(anna: Person, receiver: HookReceiver, path: str) -> None:
    made = await create(anna, receiver.url + path)
    await anna.post(f"/webhooks/{made['id']}/test")
    [delivery] = await ended(anna, made["id"])
    [attempt] = delivery["attempts"]
    assert (delivery["state"], attempt["status"]) == ("delivered", 200)
    assert attempt["answer"] == ("x" * 1000 if path == "/huge" else "")


async def test_a_receiver_may_say_when_to_come_again(anna: Person, receiver: HookReceiver) -> None:
    made = await create(anna, f"{receiver.url}/busy")
    await anna.post(f"/webhooks/{made['id']}/test")
    delivery = await attempted(anna, made["id"])
    at, next_at = delivery["attempts"][0]["at"], delivery["next_at"]
    seconds = _time(next_at) - _time(at)
    assert 76 < seconds < 78
    assert delivery["state"] == "pending"


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


async def test_a_receiver_that_is_gone_is_sent_nothing_more(anna: Person, receiver: HookReceiver) -> None:
    made = await create(anna, f"{receiver.url}/gone")
    await anna.post(f"/webhooks/{made['id']}/test")
    [delivery] = await ended(anna, made["id"])
    assert (delivery["state"], len(delivery["attempts"])) == ("failed", 1)
    [webhook] = (await anna.get("/webhooks")).json()["items"]
    assert (webhook["is_enabled"], webhook["disabled_reason"]) == (False, "gone")


@pytest.mark.usefixtures("_hurried")
async def test_one_that_fails_for_days_is_switched_off_with_a_notice(
    service: Service, anna: Person, receiver: HookReceiver
) -> None:
    made = await create(anna, f"{receiver.url}/500")
    await anna.post(f"/webhooks/{made['id']}/test")
    await ended(anna, made["id"])
    async with service.database.autocommit() as session:
        user_id = await session.fetchval("SELECT id FROM users WHERE username = 'anna'")
        await session.execute(
            "INSERT INTO telegram_chats (chat_id, user_id, own_user_id, language) VALUES (77, $1, $1, 'en')", user_id
        )
        await session.execute("UPDATE webhooks SET failing_since = now() - interval '4 days 23 hours'")
    await anna.post(f"/webhooks/{made['id']}/test")
    await ended(anna, made["id"], 2)
    assert (await anna.get("/webhooks")).json()["items"][0]["is_enabled"]
    async with service.database.autocommit() as session:
        await session.execute("UPDATE webhooks SET failing_since = now() - interval '5 days 1 hour'")
    await anna.post(f"/webhooks/{made['id']}/test")
    await ended(anna, made["id"], 3)
    [webhook] = (await anna.get("/webhooks")).json()["items"]
    assert (webhook["is_enabled"], webhook["disabled_reason"]) == (False, "failing")
    async with service.database.autocommit() as session:
        [notice] = await session.fetch("SELECT chat_id, event, data::text FROM deliveries WHERE kind = 'notice'")
    assert (notice["chat_id"], notice["event"]) == (77, "webhook.disabled")
    assert receiver.url in notice["data"]
    again = (await patch(anna, made["id"], is_enabled=True, url=f"{receiver.url}/ok")).json()
    assert (again["is_enabled"], again["disabled_reason"], again["failing_since"]) == (True, None, None)
    failed = (await log_of(anna, made["id"]))[0]
    assert (await anna.post(f"/webhooks/{made['id']}/deliveries/{failed['id']}/resend")).status_code == 202
    [message] = await receiver.wait_for(1, "/ok")
    assert message.id == failed["message_id"]
    log = await ended(anna, made["id"], 3)
    assert (log[0]["state"], len(log[0]["attempts"])) == ("delivered", 5)


@pytest.mark.usefixtures("_hurried")
async def test_a_success_forgets_the_failures(anna: Person, receiver: HookReceiver) -> None:
    receiver.answers = [500, 503]
    made = await create(anna, f"{receiver.url}/turns")
    await anna.post(f"/webhooks/{made['id']}/test")
    [delivery] = await ended(anna, made["id"])
    assert [one["status"] for one in delivery["attempts"]] == [500, 503, 204]
    assert (await anna.get("/webhooks")).json()["items"][0]["failing_since"] is None


async def test_deliveries_of_a_deleted_webhook_are_given_up(
    service: Service, anna: Person, receiver: HookReceiver
) -> None:
    made = await create(anna, f"{receiver.url}/500")
    await anna.post(f"/webhooks/{made['id']}/test")
    await attempted(anna, made["id"])
    await anna.client.delete(f"/webhooks/{made['id']}", headers=anna.headers)
    assert code_of(await anna.get(f"/webhooks/{made['id']}/deliveries")) == (404, "not_found")
    async with service.database.autocommit() as session:
        await session.execute("UPDATE deliveries SET due_at = now()")
    async with asyncio.timeout(10):
        while (found := (await anna.get("/webhooks/deliveries")).json()["items"][0])["state"] == "pending":
            await asyncio.sleep(0.02)
    assert (found["state"], len(receiver.received)) == ("failed", 1)


async def test_a_slow_receiver_delays_nobody(start_service: StartService, receiver: HookReceiver) -> None:
    async with start_service(**LOCAL | {"webhook_timeout_s": 60}) as service:
        anna = await service.join("anna")
        hanging = await create(anna, f"{receiver.url}/hang")
        for _ in range(20):
            await anna.post(f"/webhooks/{hanging['id']}/test")
        await receiver.wait_for(1, "/hang")
        made = await create(anna, f"{receiver.url}/ok")
        await anna.post(f"/webhooks/{made['id']}/test")
        await receiver.wait_for(1, "/ok", 50)  # while the other one hangs
        assert len(receiver.of("/hang")) == 1  # one at a time, until it has taken one
        receiver.released.set()


def test_the_lease_outlasts_an_attempt() -> None:
    assert webhook_deliverer.LEASE_MORE_S / 2 > webhook_deliverer.DRAIN_S
