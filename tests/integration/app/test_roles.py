"""Roles: which admin route asks for which, how they are given and taken, and what support may give."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from uuid import UUID

from ml_service.domain.roles import Role
from ml_service.usecases import admin_predictions
from ml_service.usecases.admin import OPERATOR
from services.app.api.admin.access import NEEDED
from tests.support.admin import admin_routes, change, id_of, logged, routes_of
from tests.support.service import PASSWORD, Person, Service, StartService, code_of

# The least role for each route. A route that is missing here fails the test: say who may use it.
TABLE = {
    Role.VIEWER: """
        GET /admin/stats · GET /admin/workers · GET /admin/queue · GET /admin/models · GET /admin/users
        GET /admin/users/{user_id} · GET /admin/predictions · GET /admin/predictions/{prediction_id}
        GET /admin/webhooks · GET /admin/webhooks/{webhook_id}/deliveries
        GET /admin/search · GET /admin/dead-letters · GET /admin/audit · GET /admin/actions
    """,
    Role.SUPPORT: """
        POST /admin/users/{user_id}/credits · POST /admin/predictions/{prediction_id}/cancel
        POST /admin/dead-letters/replay · POST /admin/webhooks/{webhook_id}/deliveries/{delivery_id}/resend
    """,
    Role.ADMIN: """
        PATCH /admin/models/{name} · PATCH /admin/users/{user_id} · POST /admin/webhooks/{webhook_id}/disable
    """,
}


async def with_role(service: Service, role: str | None, name: str | None = None) -> Person:
    person = await service.join(name)
    async with service.database.autocommit() as session:
        await session.execute(
            "UPDATE users SET is_admin = coalesce($2 = 'admin', false), staff_role = nullif($2, 'admin')"
            " WHERE username = $1",
            person.username,
            role,
        )
    return person


async def test_each_admin_route_asks_for_its_role(service: Service) -> None:
    needed = {route: role for role, text in TABLE.items() for route in routes_of(text)}
    assert needed == dict(NEEDED)
    people = {role: await with_role(service, role) for role in (None, *Role)}
    key = {"Idempotency-Key": "k"}
    seen = set()
    for method, path, address, body in admin_routes():
        route = f"{method.upper()} {path}"
        seen.add(route)
        for role, person in people.items():
            place = (route, role)
            answer = await service.client.request(method, address, json=body, headers=person.headers | key)
            if role is not None and role.covers(needed[route]):
                assert answer.status_code in (200, 404, 422), (place, answer.text)
            else:
                assert code_of(answer) == (403, "forbidden"), place
                assert answer.json()["role"] == needed[route], place
    assert seen == set(needed)


async def test_a_role_ends_at_once_on_every_replica(start_service: StartService) -> None:
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(start_service()) for _ in range(2)]
        boss = await with_role(first, "admin", "boss")
        joe = await first.join("joe")
        elsewhere = Person(second.client, "joe", joe.tokens)
        url = f"/admin/users/{await id_of(joe)}"
        assert code_of(await elsewhere.get("/admin/users")) == (403, "forbidden")
        for role in ("viewer", "support", "admin", "viewer"):
            given = await change(boss, "PATCH", url, {"role": role, "reason": f"is {role}"})
            assert (given.json()["role"], given.json()["is_admin"]) == (role, role == "admin")
            assert (await elsewhere.get("/admin/users")).status_code == 200
            me = (await elsewhere.get("/users/me")).json()
            assert (me["role"], me["is_admin"]) == (role, role == "admin")
        taken = await change(boss, "PATCH", url, {"role": None, "reason": "left"})
        assert taken.json()["role"] is None
        assert code_of(await elsewhere.get("/admin/users")) == (403, "forbidden")
        assert (await elsewhere.get("/balance")).status_code == 200
        entries = await logged(first)
    assert entries[0] == ("boss", "user.role", "user", {"role": None}, {"role": "viewer"}, "is viewer")
    assert entries[-1] == ("boss", "user.role", "user", {"role": "viewer"}, {"role": None}, "left")


async def test_the_last_admin_stays_one(service: Service, boss: Person) -> None:
    boss_url = f"/admin/users/{await id_of(boss)}"
    refused = await change(boss, "PATCH", boss_url, {"role": "viewer", "reason": "a slip"})
    assert code_of(refused) == (409, "last_admin")
    gone = await change(boss, "DELETE", "/users/me", {"password": PASSWORD})
    assert code_of(gone) == (409, "last_admin")
    assert (await boss.get("/admin/users")).status_code == 200
    # A blocked admin does not count, for they cannot sign in.
    joe = await with_role(service, "admin", "joe")
    joe_url = f"/admin/users/{await id_of(joe)}"
    assert (await change(boss, "PATCH", joe_url, {"is_blocked": True, "reason": "r"})).status_code == 200
    assert code_of(await change(boss, "PATCH", boss_url, {"role": None, "reason": "r"})) == (409, "last_admin")
    assert (await change(boss, "PATCH", joe_url, {"is_blocked": False, "role": None, "reason": "r"})).status_code == 200


async def test_two_admins_cannot_remove_each_other_at_once(service: Service) -> None:
    for how in ({"role": None}, {"is_blocked": True}):
        one, other = [await with_role(service, "admin") for _ in range(2)]
        urls = [f"/admin/users/{await id_of(person)}" for person in (other, one)]
        async with service.database.autocommit() as session:
            await session.execute(
                "UPDATE users SET is_admin = false WHERE is_admin AND username <> ALL ($1)",
                [one.username, other.username],
            )
        await asyncio.gather(
            *(
                change(person, "PATCH", url, {**how, "reason": "r"})
                for person, url in zip((one, other), urls, strict=True)
            )
        )
        async with service.database.autocommit() as session:
            left = await session.fetchval("SELECT count(*) FROM users WHERE is_admin AND NOT is_blocked")
        assert left == 1, how


async def test_what_is_no_change_of_a_user_is_refused(service: Service, anna: Person, boss: Person) -> None:
    url = f"/admin/users/{await id_of(anna)}"
    wrong = [{}, {"role": "root"}, {"role": 1}, {"is_blocked": None}, {"is_blocked": "yes"}, {"is_admin": True}]
    for one in wrong:
        refused = await change(boss, "PATCH", url, {**one, "reason": "r"})
        assert code_of(refused) == (422, "invalid_input"), one
    assert await logged(service) == []


async def test_the_demo_user_gets_no_role(service: Service, boss: Person) -> None:
    demo = (await boss.get("/admin/users", params={"q": "test"})).json()["items"][0]
    assert demo["is_demo"]
    refused = await change(boss, "PATCH", f"/admin/users/{demo['id']}", {"role": "viewer", "reason": "r"})
    assert code_of(refused) == (403, "permission_denied")
    assert await logged(service) == []


async def test_support_gives_others_so_much_in_a_day_and_takes_nothing(start_service: StartService) -> None:
    async with start_service(support_credits_per_day_max=300) as service:
        helper = await with_role(service, "support")
        anna = await service.join("anna")
        url = f"/admin/users/{await id_of(anna)}/credits"
        body = {"amount": 100, "kind": "top_up", "reason": "sorry"}

        async def give(key: str, **other: object) -> tuple[int, str | None]:
            answer = await change(helper, "POST", url, {**body, **other}, Idempotency_Key=key)
            return answer.status_code, answer.json().get("code")

        given = await asyncio.gather(*(give(f"k{number}") for number in range(8)))
        assert sorted(given, key=str) == [(200, None)] * 3 + [(403, "forbidden")] * 5
        assert await anna.balance() == (400, 0)
        over = await change(helper, "POST", url, {**body, "amount": 1}, Idempotency_Key="one")
        assert (over.status_code, over.json()["role"], over.json()["credits_left"]) == (403, "admin", 0)
        # What was given is repeated without a refusal, and not given again.
        done = next(f"k{number}" for number, one in enumerate(given) if one == (200, None))
        assert await give(done) == (200, None)
        assert await give("less", amount=-1, kind="adjustment") == (403, "forbidden")
        own = await change(helper, "POST", f"/admin/users/{await id_of(helper)}/credits", body, Idempotency_Key="own")
        assert code_of(own) == (403, "forbidden")
        another = await with_role(service, "support")
        assert (await change(another, "POST", url, body, Idempotency_Key="k0")).status_code == 200
        assert await anna.balance() == (500, 0)
        assert [action for _, action, *_ in await logged(service)] == ["credits.top_up"] * 4


async def test_support_cancels_for_somebody_and_the_credits_come_back(service: Service, anna: Person) -> None:
    helper = await with_role(service, "support", "helper")
    asked = (await anna.predict()).json()
    url = f"/admin/predictions/{asked['id']}/cancel"
    for _ in range(2):
        canceled = await change(helper, "POST", url, {"reason": "asked by phone"})
        assert (canceled.status_code, canceled.json()["status"]) == (200, "canceled")
    assert (canceled.json()["username"], canceled.json()["error"]["code"]) == ("anna", "canceled")
    assert await anna.balance() == (100, 0)
    assert await logged(service) == [
        (
            "helper",
            "prediction.cancel",
            "user",
            {"status": "queued"},
            {"prediction_id": asked["id"], "status": "canceled", "credits": 1},
            "asked by phone",
        )
    ]
    async with service.database.autocommit() as session:
        actor = await session.fetchrow(
            "SELECT actor_kind, actor_id FROM transactions WHERE kind = 'release' AND prediction_id = $1", asked["id"]
        )
    assert actor is not None
    assert tuple(actor) == ("admin", await id_of(helper))


async def test_of_two_who_cancel_one_prediction_at_once_the_log_names_one(service: Service, anna: Person) -> None:
    asked = UUID((await anna.predict()).json()["id"])

    async def cancel(reason: str) -> None:
        async with service.database.begin() as session:
            await admin_predictions.cancel(session, OPERATOR, asked, reason=reason)

    async with service.database.begin() as held:
        await held.execute(
            "UPDATE predictions SET status = 'processing', attempts = 1, worker_id = 'w', started_at = now()"
            " WHERE id = $1",
            asked,
        )
        both = [asyncio.create_task(cancel(reason)) for reason in ("first", "second")]
        await asyncio.sleep(0.3)  # both have looked, and wait for the row
    await asyncio.gather(*both)
    [(_, action, _, before, after, _)] = await logged(service)
    assert (action, before["status"], after["credits"]) == ("prediction.cancel", "processing", 1)
    assert await anna.balance() == (100, 0)
