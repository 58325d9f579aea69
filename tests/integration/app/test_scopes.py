"""Who may use which route: every route of the API, for every kind of principal and every scope of a key."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from uuid import UUID

import pytest

from ml_service.domain.credentials import Scope
from ml_service.domain.ids import new_id
from ml_service.storage import api_keys as stored_keys
from ml_service.storage import sessions, users
from ml_service.storage.api_keys import KeyFields
from ml_service.storage.users import Login
from ml_service.usecases import api_keys
from ml_service.usecases.users import Tokens
from tests.support.admin import routes_of
from tests.support.service import Person, Service

SOME_ID = "019a0b5e-7c1d-7000-8000-3f2a1b4c5d6e"
STREAM = "GET /events"
STREAMS_S = 5.0
"""If it has not answered after this it streams, and so lets somebody in."""

# What each route asks for. A route that is missing here fails the test: say who may use it.
PUBLIC = """
    POST /users · POST /token · POST /session · POST /session/refresh · DELETE /session
    GET /models · GET /models/{name} · GET /service · GET /health · GET /health/live · GET /health/ready · GET /metrics
"""
SIGNED_IN = """
    PATCH /users/me · DELETE /users/me · GET /users/me/export · POST /users/me/password
    GET /users/me/telegram · POST /users/me/telegram
    GET /users/me/sessions · DELETE /users/me/sessions · DELETE /users/me/sessions/{session_id} · POST /logout
    POST /api-keys · GET /api-keys · PATCH /api-keys/{key_id} · DELETE /api-keys/{key_id}
    POST /api-keys/{key_id}/rotate
"""
SCOPED = {
    Scope.READ: """
        GET /users/me · GET /balance · GET /transactions · GET /usage · GET /events · GET /predictions
        GET /predictions/{prediction_id} · GET /predictions/{prediction_id}/events
    """,
    Scope.PREDICT: """
        POST /predictions/predict · POST /predictions/batch · POST /predictions/quote
        POST /predictions/{prediction_id}/cancel · POST /predictions/{prediction_id}/repeat
    """,
    Scope.BULK: """
        POST /bulk · GET /bulk · GET /bulk/{bulk_id} · POST /bulk/{bulk_id}/cancel · GET /bulk/{bulk_id}/results
    """,
    Scope.WEBHOOKS: """
        POST /webhooks · GET /webhooks · PATCH /webhooks/{webhook_id} · DELETE /webhooks/{webhook_id}
        POST /webhooks/{webhook_id}/rotate-secret · POST /webhooks/{webhook_id}/test
        GET /webhooks/{webhook_id}/deliveries · POST /webhooks/{webhook_id}/deliveries/{delivery_id}/resend
        GET /webhooks/secret · POST /webhooks/secret/rotate · GET /webhooks/deliveries
        POST /webhooks/deliveries/{delivery_id}/resend
    """,
}


def needs() -> dict[str, str]:
    """What each route asks for, but those for admins."""
    table = dict.fromkeys(routes_of(PUBLIC), "nothing") | dict.fromkeys(routes_of(SIGNED_IN), "session")
    for scope, text in SCOPED.items():
        table |= dict.fromkeys(routes_of(text), scope.value)
    return table


@dataclass(frozen=True)
class Who:
    """A kind of principal: with a sign-in, or with a key that has some scopes."""

    is_admin: bool = False
    scopes: tuple[Scope, ...] | None = None
    is_revoked: bool = False


PRINCIPALS: dict[str, Who | None] = {
    "nobody": None,
    "a user": Who(),
    "an admin": Who(is_admin=True),
    **{f"a key for {scope.value}": Who(scopes=(scope,)) for scope in Scope},
    "a key for all": Who(scopes=tuple(Scope)),
    "an admin's key for all": Who(is_admin=True, scopes=tuple(Scope)),
    "a revoked key": Who(scopes=tuple(Scope), is_revoked=True),
}


def expected(who: Who | None, need: str) -> tuple[int, str] | None:
    """The refusal; None: it is let in, whatever else may be wrong."""
    if need == "nothing":
        return None
    if who is None or who.is_revoked:
        return 401, "unauthenticated"
    if who.scopes is not None:
        return None if need in who.scopes else (403, "scope_missing")
    return (403, "forbidden") if need == "admin" and not who.is_admin else None


async def headers_of(service: Service, who: Who | None, ids: dict[bool, UUID]) -> dict[str, str]:
    """A new sign-in or key for each request, for some routes end it."""
    if who is None:
        return {}
    user_id = ids[who.is_admin]
    if who.scopes is None:
        session_id = new_id()
        async with service.database.autocommit() as session:
            row = await session.fetchrow("SELECT password_hash FROM users WHERE id = $1", user_id)
            assert row is not None
            login = Login(user_id, row["password_hash"], is_demo=False)
            assert await sessions.add(session, session_id, login, b"", 3600)
        return {"Authorization": f"Bearer {service.components.access.issue(Tokens(user_id, session_id, ''))}"}
    async with service.database.begin() as session:
        fields = KeyFields("key", frozenset(who.scopes))
        made = await api_keys.create(session, user_id, fields, keys_max=10_000)
        if who.is_revoked:
            assert await stored_keys.revoke(session, user_id, made.key.id)
    return {"X-API-Key": made.token}


async def refusal(service: Service, route: str, headers: dict[str, str]) -> tuple[int, str] | None:
    method, _, path = route.partition(" ")
    url = re.sub(r"\{[^}]*\}", SOME_ID, path)
    body = None if method == "GET" else {}
    try:
        async with asyncio.timeout(STREAMS_S if route == STREAM else None):
            answer = await service.client.request(method, url, json=body, headers=headers)
    except TimeoutError:
        return None
    code = answer.json().get("code") if answer.status_code >= 400 else None
    is_refused = answer.status_code == 401 or code in {"scope_missing", "forbidden"}
    return (answer.status_code, code) if is_refused else None


QUICK = {"nobody", "a user", "a key for predict"}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[] if kind in QUICK else [pytest.mark.slow]) for kind in PRINCIPALS]
)
async def test_each_route_lets_in_whom_it_should(service: Service, anna: Person, boss: Person, kind: str) -> None:
    table = needs()
    for path, methods in service.app.openapi()["paths"].items():
        for method in methods:
            if path.startswith("/admin"):
                table[f"{method.upper()} {path}"] = "admin"
    async with service.database.autocommit() as session:
        found = [await users.get_by_name(session, one.username) for one in (anna, boss)]
    ids = {is_admin: one.id for is_admin, one in zip((False, True), found, strict=True) if one is not None}
    who = PRINCIPALS[kind]
    wrong = {}
    for route, need in sorted(table.items()):
        if route in {"POST /token", "POST /session", "POST /session/refresh"}:
            continue  # 401 is what they answer to a wrong password or cookie
        got = await refusal(service, route, await headers_of(service, who, ids))
        if got != expected(who, need):
            wrong[route] = got
    assert wrong == {}


async def test_the_table_has_every_route(service: Service) -> None:
    routes = {
        f"{method.upper()} {path}" for path, methods in service.app.openapi()["paths"].items() for method in methods
    }
    assert {route for route in routes if not route.partition(" ")[2].startswith("/admin")} == set(needs())
