"""Webhooks: what is owed, what is sent, whose it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from standardwebhooks import WebhookVerificationError

from ml_service.usecases import webhooks
from tests.support.admin import change, logged
from tests.support.hooks import ALL, LOCAL, create, ended, log_of, patch
from tests.support.receiver import HookReceiver
from tests.support.service import PASSWORD, Person, Service, StartService, code_of


@pytest.fixture
async def receiver() -> AsyncIterator[HookReceiver]:
    async with HookReceiver().listening() as receiver:
        yield receiver


@pytest.fixture
async def service(start_service: StartService) -> AsyncIterator[Service]:
    """The app, which may send to this machine."""
    async with start_service(**LOCAL) as service:
        yield service


async def test_a_webhook_hears_of_a_prediction_as_the_api_shows_it(
    service: Service, anna: Person, receiver: HookReceiver
) -> None:
    made = await create(anna, f"{receiver.url}/ok")
    async with service.worker():
        prediction = (await anna.predict(prefer="wait=10")).json()
        [message] = await receiver.wait_for(1)
    body = message.verified(made["secret"])
    assert (body["type"], body["data"]) == ("prediction.succeeded", prediction)
    assert body["timestamp"][:19] == prediction["finished_at"][:19]
    assert message.headers["content-type"] == "application/json"
    [delivery] = await ended(anna, made["id"])
    assert (delivery["state"], delivery["event"], delivery["next_at"]) == ("delivered", "prediction.succeeded", None)
    assert (delivery["subject_id"], delivery["message_id"]) == (prediction["id"], message.id)
    [attempt] = delivery["attempts"]
    assert (attempt["status"], attempt["error"], attempt["answer"]) == (204, None, "")
    assert attempt["ms"] > 0
    assert b'ml_service_webhook_attempts_total{outcome="delivered"} 1.0' in service.components.metrics.text(
        service.components.load
    )


async def test_each_way_to_end_is_an_event_and_others_are_filtered(
    service: Service, anna: Person, receiver: HookReceiver
) -> None:
    await create(anna, f"{receiver.url}/all")
    await create(anna, f"{receiver.url}/some", ["prediction.failed"])
    canceled = (await anna.predict()).json()["id"]
    assert (await anna.post(f"/predictions/{canceled}/cancel")).status_code == 200
    expired = (await anna.post("/predictions/predict", {"text": "x", "deadline_s": 0.01})).json()["id"]
    await receiver.wait_for(2, "/all")
    async with service.worker():
        failed = (await anna.predict("fail me")).json()["id"]
        succeeded = (await anna.predict("hello")).json()["id"]
        heard = await receiver.wait_for(4, "/all")
    assert {one.body["data"]["id"]: one.body["type"] for one in heard} == {
        canceled: "prediction.canceled",
        expired: "prediction.expired",
        failed: "prediction.failed",
        succeeded: "prediction.succeeded",
    }
    [only] = await receiver.wait_for(1, "/some")
    assert only.body["data"]["id"] == failed
    assert only.id == next(one.id for one in heard if one.body["data"]["id"] == failed)


async def test_a_request_names_its_own_webhook(service: Service, anna: Person, receiver: HookReceiver) -> None:
    secret = (await anna.get("/webhooks/secret")).json()["secret"]
    assert (await anna.get("/webhooks/secret")).json()["secret"] == secret
    async with service.worker():
        one = {"text": "one", "webhook": {"url": f"{receiver.url}/ok?n=1"}}
        assert (await anna.post("/predictions/predict", one)).status_code == 202
        await anna.predict("nobody hears of this")
        [message] = await receiver.wait_for(1)
        assert message.verified(secret)["data"]["input"] == {"text": "one"}
        items = [{"text": "two"}, {"text": "fail"}, {"text": "three"}]
        webhook = {"url": f"{receiver.url}/batch", "events": ["prediction.succeeded"]}
        assert (await anna.post("/predictions/batch", {"items": items, "webhook": webhook})).status_code == 202
        heard = await receiver.wait_for(2, "/batch")
        async with asyncio.timeout(10):
            while (await anna.balance())[1]:
                await asyncio.sleep(0.02)
    assert sorted(one.verified(secret)["data"]["input"]["text"] for one in heard) == ["three", "two"]
    log = (await anna.get("/webhooks/deliveries")).json()["items"]
    assert [(one["webhook_id"], one["url"]) for one in log] == [
        *[(None, f"{receiver.url}/batch")] * 2,
        (None, f"{receiver.url}/ok?n=1"),
    ]
    assert len(receiver.received) == 3
    resent = await anna.post(f"/webhooks/deliveries/{log[-1]['id']}/resend")
    assert resent.status_code == 202
    again = (await receiver.wait_for(4))[-1]
    assert (again.id, again.raw) == (message.id, message.raw)


WRONG_WEBHOOKS: list[tuple[Any, str]] = [
    ({"url": "http://127.0.0.1:22/"}, "body.webhook.url"),
    ({"url": "http://10.0.0.1/"}, "body.webhook.url"),
    ({"url": "https://a:b@example.com/"}, "body.webhook.url"),
    ({"url": "https://example.com", "events": []}, "body.webhook.events"),
    ({"url": "https://example.com", "events": ["balance.low"]}, "body.webhook.events.0"),
    ({"url": "https://example.com", "urll": 1}, "body.webhook.urll"),
    ({"events": ["prediction.failed"]}, "body.webhook.url"),
    ("https://example.com", "body.webhook"),
]


async def test_a_wrong_webhook_in_a_request_is_refused_and_nothing_is_held(anna: Person) -> None:
    before = await anna.balance()
    for webhook, location in WRONG_WEBHOOKS:
        answer = await anna.post("/predictions/predict", {"text": "x", "webhook": webhook})
        assert code_of(answer) == (422, "invalid_input"), webhook
        assert [one["location"] for one in answer.json()["errors"]] == [location]
        assert await anna.balance() == before, webhook


async def test_both_secrets_sign_while_they_overlap(service: Service, anna: Person, receiver: HookReceiver) -> None:
    made = await create(anna, f"{receiver.url}/ok")
    rotated = (await anna.post(f"/webhooks/{made['id']}/rotate-secret", {"grace_s": 600})).json()
    assert rotated["previous_until"] is not None
    await anna.post(f"/webhooks/{made['id']}/test")
    [message] = await receiver.wait_for(1)
    for secret in (made["secret"], rotated["secret"]):
        assert message.verified(secret)["type"] == "webhook.test"
    async with service.database.autocommit() as session:
        await session.execute("UPDATE webhooks SET previous_until = now() - interval '1 second'")
    await anna.post(f"/webhooks/{made['id']}/test")
    message = (await receiver.wait_for(2))[1]
    assert message.verified(rotated["secret"])
    with pytest.raises(WebhookVerificationError):
        message.verified(made["secret"])
    assert (await anna.post(f"/webhooks/{made['id']}/rotate-secret", {"grace_s": 0})).json()["previous_until"] is None


async def test_the_accounts_own_secret_rotates_as_well(service: Service, anna: Person, receiver: HookReceiver) -> None:
    old = (await anna.get("/webhooks/secret")).json()["secret"]
    new = (await anna.post("/webhooks/secret/rotate", {})).json()["secret"]
    async with service.worker():
        await anna.post("/predictions/predict", {"text": "x", "webhook": {"url": f"{receiver.url}/ok"}})
        [message] = await receiver.wait_for(1)
    assert old != new
    assert message.verified(old) == message.verified(new)


async def test_a_webhook_that_is_off_hears_of_nothing_but_tests(anna: Person, receiver: HookReceiver) -> None:
    made = await create(anna, f"{receiver.url}/ok")
    waiting = (await anna.predict()).json()["id"]
    assert (await patch(anna, made["id"], is_enabled=False)).json()["disabled_reason"] == "user"
    assert (await anna.post(f"/predictions/{waiting}/cancel")).status_code == 200
    await anna.post(f"/webhooks/{made['id']}/test")
    [message] = await receiver.wait_for(1)
    assert message.body["type"] == "webhook.test"
    assert len(await ended(anna, made["id"])) == 1


async def test_a_low_balance_is_reported_once_per_fall(anna: Person, receiver: HookReceiver) -> None:
    await create(anna, f"{receiver.url}/ok", ["balance.low"], balance_low_credits=99)
    await create(anna, f"{receiver.url}/other", ["balance.low"], balance_low_credits=98)
    for _ in range(3):
        await anna.predict()
    [low] = await receiver.wait_for(1, "/ok")
    assert low.body["data"] == {"balance": 98, "balance_low_credits": 99}
    [lower] = await receiver.wait_for(1, "/other")
    assert lower.body["data"] == {"balance": 97, "balance_low_credits": 98}
    assert len(receiver.received) == 2


async def test_a_finished_bulk_job_is_owed_once(service: Service, anna: Person, receiver: HookReceiver) -> None:
    made = await create(anna, f"{receiver.url}/ok", ["bulk.finished"])
    user_id, bulk_id = (await anna.get("/users/me")).json()["id"], uuid4()
    for _ in range(2):
        async with service.components.database.begin() as session:
            await webhooks.owe_bulk_finished(session, user_id, bulk_id, '{"bulk_id": "7", "lines": 3}')
    await receiver.wait_for(1)
    [delivery] = await ended(anna, made["id"])
    assert delivery["subject_id"] == str(bulk_id)
    assert receiver.received[0].body["data"] == {"bulk_id": "7", "lines": 3}


async def test_webhooks_are_bounded_and_ones_own(service: Service, anna: Person) -> None:
    boris = await service.join("boris")
    made = [await create(anna, f"https://example.com/{place}") for place in range(10)]
    answer = await anna.post("/webhooks", {"url": "https://example.com/11", "events": ALL})
    assert code_of(answer) == (422, "invalid_input")
    assert [one["id"] for one in (await anna.get("/webhooks")).json()["items"]] == [one["id"] for one in made]
    assert "secret" not in (await anna.get("/webhooks")).json()["items"][0]
    assert (await boris.get("/webhooks")).json()["items"] == []
    path = f"/webhooks/{made[0]['id']}"
    test = (await anna.post(f"{path}/test")).json()
    for answer in (
        await boris.client.patch(path, json={"is_enabled": False}, headers=boris.headers),
        await boris.client.delete(path, headers=boris.headers),
        await boris.post(f"{path}/rotate-secret", {}),
        await boris.post(f"{path}/test"),
        await boris.get(f"{path}/deliveries"),
        await boris.post(f"{path}/deliveries/{test['id']}/resend"),
        await boris.post(f"/webhooks/deliveries/{test['id']}/resend"),
        await anna.post(f"/webhooks/{made[1]['id']}/deliveries/{test['id']}/resend"),
    ):
        assert code_of(answer) == (404, "not_found")
    assert (await boris.get("/webhooks/deliveries")).json()["items"] == []
    assert (await boris.get("/webhooks/secret")).json() != (await anna.get("/webhooks/secret")).json()
    assert (await anna.client.delete(path, headers=anna.headers)).status_code == 204
    assert len((await anna.get("/webhooks")).json()["items"]) == 9


async def test_the_log_has_pages(anna: Person, receiver: HookReceiver) -> None:
    made = await create(anna, f"{receiver.url}/ok")
    for _ in range(5):
        await anna.post(f"/webhooks/{made['id']}/test")
    whole = await log_of(anna, made["id"])
    found: list[int] = []
    cursor = ""
    while cursor is not None:
        page = (await anna.get(f"/webhooks/{made['id']}/deliveries?limit=2{cursor}")).json()
        found += [one["id"] for one in page["items"]]
        cursor = None if page["next_cursor"] is None else f"&cursor={page['next_cursor']}"
    assert found == [one["id"] for one in whole]
    assert len(found) == 5


async def test_a_deleted_account_has_no_webhooks(service: Service, anna: Person, receiver: HookReceiver) -> None:
    await create(anna, f"{receiver.url}/ok")
    await anna.get("/webhooks/secret")
    await anna.predict()
    gone = await anna.client.request("DELETE", "/users/me", json={"password": PASSWORD}, headers=anna.headers)
    if gone.status_code != 204:
        pytest.fail(gone.text)
    async with service.database.autocommit() as session:
        left = await session.fetchval(
            "SELECT (SELECT count(*) FROM webhooks) + (SELECT count(*) FROM webhook_secrets)"
            " + (SELECT count(*) FROM deliveries)"
        )
    assert left == 0
    assert receiver.received == []


@pytest.mark.usefixtures("service")
async def test_only_the_app_reads_addresses_and_secrets(database_url: str) -> None:
    for role in ("ml_service_worker", "ml_service_bot"):
        connection = await asyncpg.connect(database_url.replace("postgres@", f"{role}@"))
        for table in ("webhooks", "webhook_secrets", "request_webhooks", "delivery_attempts"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT * FROM {table}")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT owe_event(gen_random_uuid(), 'bulk.finished', gen_random_uuid(), '{}')")
        await connection.close()


async def test_operators_find_a_receiver_that_fails_send_again_and_switch_it_off(
    service: Service, anna: Person, boss: Person, receiver: HookReceiver
) -> None:
    made = await create(anna, f"{receiver.url}/gone")
    await create(anna, f"{receiver.url}/ok")
    await anna.post(f"/webhooks/{made['id']}/test")
    await ended(anna, made["id"])
    url = f"/admin/webhooks/{made['id']}"
    [shown] = (await boss.get("/admin/webhooks")).json()["items"]
    assert (shown["id"], shown["username"], shown["is_enabled"]) == (made["id"], "anna", False)
    assert (shown["disabled_reason"], shown["waiting"]) == ("gone", 0)
    assert len((await boss.get("/admin/webhooks", params={"all": True})).json()["items"]) == 2
    [delivery] = (await boss.get(f"{url}/deliveries")).json()["items"]
    assert delivery == (await log_of(anna, made["id"]))[0]
    assert [one["status"] for one in delivery["attempts"]] == [410]

    resend = f"{url}/deliveries/{delivery['id']}/resend"
    again = await boss.post(resend)
    assert (again.status_code, again.json()["id"]) == (202, delivery["id"])
    async with asyncio.timeout(20):
        while len((await log_of(anna, made["id"]))[0]["attempts"]) < 2:
            await asyncio.sleep(0.02)
    for unknown in (
        f"{url}/deliveries/{2**40}/resend",
        f"/admin/webhooks/{uuid4()}/deliveries/{delivery['id']}/resend",
    ):
        assert code_of(await boss.post(unknown)) == (404, "not_found")

    assert (await patch(anna, made["id"], is_enabled=True)).status_code == 200
    assert code_of(await change(boss, "POST", f"{url}/disable", {})) == (422, "invalid_input")
    off = await change(boss, "POST", f"{url}/disable", {"reason": "it floods us"})
    assert off.status_code == 204
    [shown] = (await boss.get("/admin/webhooks")).json()["items"]
    assert shown["disabled_reason"] == "admin"
    assert [(action, target, reason) for _, action, target, _, _, reason in await logged(service)] == [
        ("webhook.resend", "webhook", None),
        ("webhook.disable", "webhook", "it floods us"),
    ]
