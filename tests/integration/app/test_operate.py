"""What admins see of the service, its models, its queue and its books, and what they change there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from ml_service.domain.models import ModelState
from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import TaskMessage
from ml_service.storage import models, service_load, workers
from ml_service.storage.database import Session
from ml_service.storage.service_load import RecentWork
from ml_service.usecases import audits
from tests.support.admin import change, id_of, logged
from tests.support.service import ECHO, Person, Service, code_of
from tests.support.waiting import PATIENCE_S


async def test_predictions_of_anyone_are_found_by_id_and_user(service: Service, anna: Person, boss: Person) -> None:
    ids = [(await anna.predict(str(number))).json()["id"] for number in range(3)]
    ben = await service.join("ben")
    bens = (await ben.predict("mine")).json()["id"]

    async def found(**params: Any) -> list[str]:
        page = (await boss.get("/admin/predictions", params=params)).json()
        assert all("input" not in one for one in page["items"])
        return [one["id"] for one in page["items"]]

    assert await found() == [bens, *reversed(ids)]
    assert await found(user="ANNA") == list(reversed(ids))
    assert await found(user=await id_of(ben)) == [bens]
    assert await found(user="nobody") == []
    assert await found(id=ids[1]) == [ids[1]]
    assert await found(id=ids[1], user="ben") == []
    first = (await boss.get("/admin/predictions", params={"limit": 2, "user": "anna"})).json()
    assert await found(user="anna", cursor=first["next_cursor"]) == [ids[0]]
    shown = (await boss.get(f"/admin/predictions/{bens}")).json()
    assert (shown["input"], shown["username"]) == ({"text": "mine"}, "ben")
    assert code_of(await boss.get(f"/admin/predictions/{uuid4()}")) == (404, "not_found")


async def test_a_model_that_is_switched_off_takes_nothing_until_it_is_on(
    service: Service, anna: Person, boss: Person
) -> None:
    keyed = await anna.predict("before", Idempotency_Key="one")
    off = await change(boss, "PATCH", "/admin/models/echo", {"is_enabled": False, "reason": "broken answers"})
    assert (off.status_code, off.json()["is_enabled"]) == (200, False)
    refused = await anna.predict("after")
    assert code_of(refused) == (409, "model_disabled")
    assert "switched off" in refused.json()["detail"]
    named = await anna.post("/predictions/predict", {"model": "echo@1", "text": "after"})
    assert code_of(named) == (409, "model_disabled")
    again = await anna.predict("before", Idempotency_Key="one")
    assert again.json()["id"] == keyed.json()["id"]
    shown = (await service.client.get("/models/echo")).json()
    assert (shown["state"], shown["is_live"]) == ("disabled", False)
    async with service.worker(), asyncio.timeout(20):
        while (await anna.get(f"/predictions/{keyed.json()['id']}")).json()["status"] != "succeeded":
            await asyncio.sleep(0.1)
    await change(boss, "PATCH", "/admin/models/echo", {"is_enabled": True, "reason": "mended"})
    assert (await anna.predict("after")).status_code == 202


async def test_prices_and_default_versions_are_changed_together_and_logged(
    service: Service, anna: Person, boss: Person
) -> None:
    new = {"price_credits": 3, "default_version": "1", "reason": "2027"}
    changed = await change(boss, "PATCH", "/admin/models/echo", new)
    assert (changed.json()["price_credits"], changed.json()["default_version"]) == (3, "1")
    assert (await anna.predict()).json()["cost"] == 3
    own = await change(boss, "PATCH", "/admin/models/echo", {"price_credits": None, "reason": "back"})
    assert own.json()["price_credits"] == ECHO.price_credits
    before = {"default_version": "1", "own_price_credits": ECHO.price_credits, "price_credits": None}
    after = {"default_version": "1", "price_credits": 3}
    assert await logged(service) == [
        ("boss", "model.change", "model", before, after, "2027"),
        ("boss", "model.change", "model", {"price_credits": 3}, {"price_credits": None}, "back"),
    ]
    for body, code in (
        ({"default_version": "9", "reason": "r"}, "model_not_found"),
        ({"reason": "r"}, "invalid_input"),
        ({"price_credits": -1, "reason": "r"}, "invalid_input"),
        ({"price_credits": 1}, "invalid_input"),
        ({"is_enabled": None, "reason": "r"}, "invalid_input"),
    ):
        assert code_of(await change(boss, "PATCH", "/admin/models/echo", body))[1] == code, body
    async with service.database.autocommit() as session:
        await models.announce(session, [replace(ECHO, version="2")])
    promotion = {"default_version": "2", "reason": "better"}
    refused = await change(boss, "PATCH", "/admin/models/echo", promotion)
    assert code_of(refused) == (422, "invalid_input")
    assert "No worker serves echo@2" in refused.json()["detail"]
    assert (await service.client.get("/models/echo")).json()["version"] == "1"
    unknown = await change(boss, "PATCH", "/admin/models/nothing", {"price_credits": 1, "reason": "r"})
    assert code_of(unknown) == (404, "model_not_found")
    assert len(await logged(service)) == 2
    for version in ("2", "1"):
        change_ = {"default_version": version, "allow_unserved": True, "reason": "in advance"}
        promoted = await change(boss, "PATCH", "/admin/models/echo", change_)
        assert promoted.json()["default_version"] == version, promoted.text
    items = (await boss.get("/admin/models")).json()["items"]
    assert [(one["name"], one["versions"][0]["state"]) for one in items] == [("dear", "gone"), ("echo", "gone")]


async def test_the_service_is_shown_at_a_glance(service: Service, anna: Person, boss: Person) -> None:
    async with service.worker():
        for text in ("a", "b", "fail"):
            await anna.predict(text, Prefer="wait=20")
    await anna.predict("waits")
    states = {"echo": ModelState("failed", None, "It needs torch.")}
    async with service.database.autocommit() as session:
        await workers.beat(
            session,
            "worker-9",
            9,
            "host-1",
            1,
            pools=["default"],
            models=["dear@1"],
            model_states={**states, "dear": ModelState("ready", "1")},
            state="ready",
            lease_s=60,
        )
    stats = (await boss.get("/admin/stats")).json()
    now = stats["now"]
    assert (now["queued"], now["processing"], now["workers"]) == (1, 0, 1)
    assert (now["per_minute"], now["failed_per_minute"]) == (3, 1)
    assert 0 < now["p50_ms"] <= now["p95_ms"] <= now["p99_ms"]
    assert now["oldest_wait_s"] >= 0
    assert len(stats["series"]) == 60
    assert [sum(one[name] for one in stats["series"]) for name in ("accepted", "succeeded", "failed")] == [4, 2, 1]
    assert [(one["code"], one["model"], one["count"]) for one in stats["problems"]] == [("model_broken", "echo", 1)]
    await in_steps(boss)
    queue = (await boss.get("/admin/queue")).json()
    assert (queue["queued"], queue["dead_letters"]) == (1, 0)
    assert [(one["model"], one["queued"], one["workers"]) for one in queue["by_model"]] == [("echo", 1, 0)]
    assert [(one["username"], one["queued"], one["processing"]) for one in queue["by_user"]] == [("anna", 1, 0)]
    [worker] = (await boss.get("/admin/workers")).json()["items"]
    assert (worker["id"], worker["host"], worker["is_alive"]) == ("worker-9", "host-1", True)
    assert worker["models"][1] == {
        "model": "echo",
        "version": None,
        "state": "failed",
        "reason": "It needs torch.",
        "pool": None,
    }


async def in_steps(boss: Person) -> None:
    """What the four predictions are in series of several lengths, over HTTP."""
    for params, steps, accepted, credits_ in (
        ({}, 60, 4, 2),
        ({"minutes": 10_080}, 60, 4, 2),
        ({"minutes": 1440, "step": "hour"}, 24, 4, 2),
        ({"minutes": 43_200, "step": "day"}, 30, 4, 2),
        ({"minutes": 43_200, "step": "day", "model": "echo"}, 30, 4, 2),
        ({"minutes": 60, "step": "minute", "model": "dear"}, 60, 0, 0),
    ):
        series = (await boss.get("/admin/stats", params=params)).json()["series"]
        found = [sum(one[name] for one in series) for name in ("accepted", "credits")]
        assert (len(series), found) == (steps, [accepted, credits_]), params
    for wrong in ({"minutes": 61, "step": "minute"}, {"minutes": 43_201}, {"step": "week"}, {"model": "a b"}):
        assert code_of(await boss.get("/admin/stats", params=wrong)) == (422, "invalid_input"), wrong


async def test_finished_predictions_are_counted_behind_a_large_batch(
    service: Service, anna: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service.worker():
        for text in ("a", "b", "fail"):
            await anna.predict(text, Prefer="wait=20")
    await anna.post("/predictions/batch", {"items": [{"text": "a"}] * 40})

    async def pace(**bounds: int) -> RecentWork:
        for name, value in bounds.items():
            monkeypatch.setattr(service_load, name, value)
        async with service.database.autocommit() as session:
            return await service_load.pace(session)

    whole = await pace()
    assert (whole.per_minute, whole.failed_per_minute) == (3, 1)
    assert whole.p50_ms is not None
    assert (await pace(LEDGER_READ_MAX=40)).per_minute == 0  # nothing but holds is read
    few = await pace(LEDGER_READ_MAX=100, NEWEST_READ_MAX=2)
    assert few.per_minute >= 2  # two in less than a minute, taken for all of it


async def test_failures_behind_what_was_canceled_or_fed_are_counted(
    service: Service, anna: Person, boss: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service.worker():
        for _ in range(4):
            await anna.predict("fail", Prefer="wait=20")
    for _ in range(4):
        one = (await anna.predict("waits")).json()
        await anna.post(f"/predictions/{one['id']}/cancel")
    series = (await boss.get("/admin/stats")).json()["series"]
    names = ("accepted", "succeeded", "failed", "canceled")
    assert [sum(one[name] for one in series) for name in names] == [8, 0, 4, 4]
    async with service.database.autocommit() as session:
        for kind in ("hold", "release"):  # as a job that holds, and is fed
            await session.execute(
                "INSERT INTO transactions (user_id, kind, amount, bulk_id, actor_kind, actor_id)"
                " SELECT id, $1, 0, gen_random_uuid(), 'system', 'feeder' FROM users WHERE username = 'anna'",
                kind,
            )
        found = await service_load.pace(session)
        assert (found.per_minute, found.failed_per_minute) == (4, 4)  # nobody has worked on what was canceled
        monkeypatch.setattr(service_load, "ENDS_READ_MAX", 6)  # the newest: four canceled ones, and two that failed
        assert (await service_load.pace(session)).failed_per_minute == 3  # 2 of 6 tell of 8, to a whole number


async def test_a_series_estimates_what_it_does_not_read(
    service: Service, anna: Person, boss: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_load, "SERIES_READ_MAX", 8)  # of nine, in 720 parts: one of each part
    async with service.database.autocommit() as session:
        # Yesterday: six in one hour, and three in another.
        await session.execute(
            """
            INSERT INTO predictions (id, user_id, model, version, status, source, cost, attempts, worker_id, created_at,
                finished_at, error_code, input)
            SELECT first_id_of(at), $1, 'echo', '1', 'failed', 'api', 1, 1, 'w', at, at, 'model_error', '{}'
            FROM (
                SELECT date_trunc('day', now(), 'UTC') - interval '20 hours' + n * interval '10 minutes' AS at
                FROM generate_series(0, 5) AS n UNION ALL
                SELECT date_trunc('day', now(), 'UTC') - interval '10 hours' + n * interval '20 minutes'
                FROM generate_series(0, 2) AS n
            ) AS moments
            """,
            await id_of(anna),
        )
    asked = {"minutes": 43_200, "step": "day"}
    series = (await boss.get("/admin/stats", params=asked)).json()["series"]
    async with service.database.autocommit() as session:
        await session.execute("DELETE FROM predictions")  # they have no holds, which the audit would say
    # The last of the six came ten minutes before its hour was over, and the last of the three twenty.
    assert series[-2]["accepted"] == 6 + 3


async def test_a_series_counts_a_burst_that_it_can_read(
    anna: Person, boss: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_load, "SERIES_READ_MAX", 120)
    items = [{"text": f"item {number}"} for number in range(50)]
    assert (await anna.post("/predictions/batch", {"items": items})).status_code == 202
    series = (await boss.get("/admin/stats", params={"minutes": 60, "step": "minute"})).json()["series"]
    assert sum(step["accepted"] for step in series) == 50


async def test_the_audit_says_what_is_wrong(service: Service, boss: Person) -> None:
    audit = (await boss.get("/admin/audit")).json()
    assert (audit["is_clean"], audit["violations"]) == (True, [])
    assert audit["issued"] == audit["wallets"] + audit["held"] + audit["revenue"] > 0
    service.components.audits._cached.forget()
    async with service.database.autocommit() as session:
        await session.execute("UPDATE users SET balance = balance + 1 WHERE username = 'boss'")
    audit = (await boss.get("/admin/audit")).json()
    async with service.database.autocommit() as session:
        await session.execute("UPDATE users SET balance = balance - 1 WHERE username = 'boss'")
    assert audit["is_clean"] is False
    [violation] = audit["violations"]
    assert (violation["check"], violation["detail"].partition(": ")[2]) == (
        "balance_is_sum_of_transactions",
        "expected 100, is 101",
    )


async def test_no_audit_goes_on_after_its_time_is_over(
    service: Service, boss: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def audit_for_minutes(session: Session, *, timeout_s: float) -> None:
        await session.execute("SELECT pg_sleep(600)", timeout=timeout_s)

    async def goes_on(*, wanted: bool) -> None:
        query = "SELECT exists(SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)' AND state = 'active')"
        async with asyncio.timeout(PATIENCE_S), service.database.autocommit(PATIENCE_S) as session:
            while await session.fetchval(query) is not wanted:
                await asyncio.sleep(0.05)

    monkeypatch.setattr(audits.ledger, "audit", audit_for_minutes)
    monkeypatch.setattr(audits, "AUDIT_S_MAX", 3)
    service.components.audits._cached.forget()
    asking = asyncio.create_task(boss.get("/admin/audit"))
    await goes_on(wanted=True)
    assert (await asking).status_code == 503
    await goes_on(wanted=False)


async def test_an_action_names_the_user_that_it_is_about(service: Service, boss: Person) -> None:
    anna = await service.join("anna")
    anna_id = (await anna.get("/users/me")).json()["id"]
    await change(boss, "PATCH", f"/admin/users/{anna_id}", {"is_blocked": True, "reason": "spam"})
    await change(boss, "PATCH", "/admin/models/echo", {"price_credits": 2, "reason": "2027"})
    shown = (await boss.get("/admin/actions")).json()["items"]
    assert [(one["target"], one["target_name"]) for one in shown[:2]] == [
        ("model:echo", None),
        (f"user:{anna_id}", "anna"),
    ]


async def test_actions_come_in_pages_and_are_final(service: Service, boss: Person) -> None:
    for price in range(3):
        await change(boss, "PATCH", "/admin/models/echo", {"price_credits": price, "reason": f"reason {price}"})
    first = (await boss.get("/admin/actions", params={"limit": 2})).json()
    second = (await boss.get("/admin/actions", params={"cursor": first["next_cursor"]})).json()
    shown = [*first["items"], *second["items"]]
    assert [one["reason"] for one in shown] == ["reason 2", "reason 1", "reason 0"]
    assert (shown[0]["actor"], shown[0]["target"], shown[0]["after"]) == ("boss", "model:echo", {"price_credits": 2})
    app_role = await asyncpg.connect(service.database_url.replace("postgres@", "ml_service_app@"))
    owner = await asyncpg.connect(service.database_url)
    try:
        for statement in ("UPDATE admin_actions SET reason = 'x'", "DELETE FROM admin_actions"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await app_role.execute(statement)
            with pytest.raises(asyncpg.IntegrityConstraintViolationError):
                await owner.execute(statement)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app_role.execute("TRUNCATE admin_actions")
    finally:
        await app_role.close()
        await owner.close()


async def test_dead_letters_are_shown_and_replayed(service: Service, anna: Person, boss: Person) -> None:
    queue = service.components.queue
    asked = (await anna.predict("again")).json()["id"]
    async with queue.consume_tasks(["default"], Prefetch(4, 1)) as consumer:
        [delivery] = await consumer.get_batch(1, 0, timeout_s=20)
        await consumer.reject(delivery, "no model of this name")
    lost = TaskMessage("default", "echo", "1", (uuid4(), uuid4()))
    await queue.publish_tasks([lost])
    async with queue.consume_tasks(["default"], Prefetch(4, 1)) as consumer:
        [delivery] = await consumer.get_batch(1, 0, timeout_s=20)
        await consumer.reject(delivery, "[bold]odd[/bold]")
    shown = (await boss.get("/admin/dead-letters")).json()
    assert (shown["total"], [one["prediction_id"] for one in shown["items"]]) == (2, [asked, str(lost.ids[0])])
    first = shown["items"][0]
    assert (first["queue"], first["reason"], first["predictions"]) == ("ml_tasks", "no model of this name", 1)
    assert asked in first["body"]
    troubles = (await boss.get("/admin/stats")).json()["problems"]
    assert ("dead_letters", 2) in [(one["code"], one["count"]) for one in troubles]
    await service.components.load.look()
    told = service.components.metrics.text(service.components.load).decode()
    assert "ml_service_dead_letters 2.0" in told.splitlines()
    replayed = await change(boss, "POST", "/admin/dead-letters/replay", {"count": 1})
    assert replayed.json() == {"replayed": 1, "skipped": []}
    async with service.worker(), asyncio.timeout(20):
        while (await anna.get(f"/predictions/{asked}")).json()["status"] != "succeeded":
            await asyncio.sleep(0.1)
    left = (await boss.get("/admin/dead-letters")).json()
    assert (left["total"], left["items"][0]["reason"]) == (1, "[bold]odd[/bold]")
    [(actor, action, target, _, after, _)] = await logged(service)
    assert (actor, action, target) == ("boss", "dead_letters.replay", "dead_letters")
    assert after == {"letters": 1, "first": [first["id"]]}
