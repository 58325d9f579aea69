"""A deleted account is given nothing any more: by whom, by which way, and in whatever moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from ml_service.domain.credentials import Scope
from ml_service.domain.errors import AccountDeleted, InvalidInput, ServiceError, Unauthenticated
from ml_service.domain.ledger import COMMAND_LINE, Kind
from ml_service.domain.roles import Role
from ml_service.domain.users import check_username, deleted_name
from ml_service.domain.webhooks import WebhookEvent
from ml_service.storage import deleted_accounts, users
from ml_service.storage.api_keys import KeyFields
from ml_service.storage.database import Session
from ml_service.usecases import account, admin, admin_keys, api_keys, ledger, webhooks
from ml_service.usecases.admin import OPERATOR
from ml_service.usecases.webhooks import WebhookLimits
from tests.support.admin import change, id_of, logged
from tests.support.service import PASSWORD, Person, Service, code_of

FIELDS = KeyFields("ci", frozenset({Scope.READ}))
WAITS_S = 0.3


async def move(session: Session, user_id: UUID, kind: Kind, amount: int) -> None:
    await ledger.move_by_hand(session, user_id, kind, amount, COMMAND_LINE, reason="r", key="k")


async def add_webhook(session: Session, user_id: UUID) -> None:
    limits = WebhookLimits(per_user_max=5, ports=(range(443, 444),), networks=())
    await webhooks.create(
        session, user_id, "https://example.com/", [WebhookEvent.SUCCEEDED], limits, balance_low_credits=0
    )


async def prefer(session: Session, user_id: UUID) -> None:
    row = await session.fetchrow(
        "SELECT id, username, is_admin, staff_role, is_demo, balance, created_at, language, notify"
        " FROM users WHERE id = $1",
        user_id,
    )
    await account.set_preferences(session, users.user_of(row), sets_language=True, language="ru")


GIFTS: dict[str, Callable[[Session, UUID], Awaitable[Any]]] = {
    "top-up": lambda session, user_id: move(session, user_id, Kind.TOP_UP, 5),
    "adjustment": lambda session, user_id: move(session, user_id, Kind.ADJUSTMENT, 5),
    "role": lambda session, user_id: admin.set_role(session, OPERATOR, user_id, Role.ADMIN, reason=None),
    "no role": lambda session, user_id: admin.set_role(session, OPERATOR, user_id, None, reason=None),
    "block": lambda session, user_id: admin.set_blocked(session, OPERATOR, user_id, is_blocked=True, reason="r"),
    "unblock": lambda session, user_id: admin.set_blocked(session, OPERATOR, user_id, is_blocked=False, reason="r"),
    "key": lambda session, user_id: api_keys.create(session, user_id, FIELDS, keys_max=5),
    "key by an admin": lambda session, user_id: admin_keys.create(session, OPERATOR, user_id, FIELDS, reason=None),
    "webhook": add_webhook,
    "preferences": prefer,
}


async def row_of(service: Service, user_id: UUID) -> Any:
    """All that is kept of an account and may not come back."""
    async with service.database.autocommit() as session:
        return await session.fetchrow(
            "SELECT u.*, (SELECT count(*) FROM api_keys WHERE user_id = u.id) AS keys,"
            " (SELECT count(*) FROM webhooks WHERE user_id = u.id) AS hooks FROM users AS u WHERE id = $1",
            user_id,
        )


async def leave(person: Person) -> UUID:
    """Delete the account."""
    user_id = UUID(await id_of(person))
    assert (await change(person, "DELETE", "/users/me", {"password": PASSWORD})).status_code == 204
    return user_id


async def test_a_deleted_account_is_given_nothing(service: Service, anna: Person) -> None:
    user_id = await leave(anna)
    before = await row_of(service, user_id)
    for gift, give in GIFTS.items():
        with pytest.raises((AccountDeleted, Unauthenticated)):
            async with service.database.begin() as session:
                await give(session, user_id)
        assert await row_of(service, user_id) == before, gift


@pytest.mark.parametrize("gift", GIFTS)
async def test_what_waits_for_a_deletion_gives_nothing(service: Service, anna: Person, gift: str) -> None:
    user_id = UUID(await id_of(anna))

    async def give() -> ServiceError | None:
        try:
            async with service.database.begin() as session:
                await GIFTS[gift](session, user_id)
        except ServiceError as error:
            return error
        return None

    async with service.database.begin() as session:
        login = await users.login_of(session, anna.username)
        assert login is not None
        assert await deleted_accounts.close(session, user_id, login.password_hash)
        giving = asyncio.create_task(give())
        await asyncio.wait([giving], timeout=WAITS_S)
        assert not giving.done()
    assert isinstance(await giving, AccountDeleted | Unauthenticated)
    row = await row_of(service, user_id)
    assert (row["is_admin"], row["staff_role"], row["keys"], row["hooks"]) == (False, None, 0, 0)
    assert (row["language"], row["is_blocked"], row["balance"]) == (None, False, 100)


async def test_a_password_does_not_bring_a_deleted_account_back(service: Service, anna: Person) -> None:
    user_id = await leave(anna)
    async with service.database.begin() as session:
        assert not await users.set_password_hash(session, user_id, "a hash")
    assert (await row_of(service, user_id))["password_hash"] is None


async def test_what_a_deleted_account_has_can_be_taken(service: Service, anna: Person) -> None:
    async with service.database.begin() as session:
        await ledger.top_up(session, UUID(await id_of(anna)), 30, COMMAND_LINE)
    user_id = await leave(anna)
    async with service.database.begin() as session:
        await move(session, user_id, Kind.CHARGEBACK, 30)
        await ledger.adjust(session, user_id, -100, COMMAND_LINE, "the rest")
    assert (await row_of(service, user_id))["balance"] == 0


async def test_a_movement_from_before_the_deletion_may_be_repeated(anna: Person, boss: Person) -> None:
    url = f"/admin/users/{await id_of(anna)}/credits"
    body = {"amount": 5, "kind": "top_up", "reason": "paid"}
    given = await change(boss, "POST", url, body, Idempotency_Key="k")
    await leave(anna)
    again = await change(boss, "POST", url, body, Idempotency_Key="k")
    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (200, "true")
    assert again.json()["balance"] == given.json()["balance"] == 105


async def test_an_admin_is_told_that_the_account_was_deleted(service: Service, anna: Person, boss: Person) -> None:
    url = f"/admin/users/{await id_of(anna)}"
    assert (await boss.get(url)).json()["is_deleted"] is False
    await leave(anna)
    before = (await boss.get(url)).json()
    assert before["is_deleted"] is True
    tries = [
        await change(boss, "POST", f"{url}/credits", {"amount": 5, "kind": kind, "reason": "r"}, Idempotency_Key=kind)
        for kind in ("top_up", "adjustment")
    ]
    tries += [
        await change(boss, "PATCH", url, {**what, "reason": "r"})
        for what in ({"role": "admin"}, {"role": None}, {"is_blocked": True}, {"is_blocked": False})
    ]
    assert {code_of(one) for one in tries} == {(409, "account_deleted")}
    assert {one.json()["detail"] for one in tries} == {"This account was deleted."}
    assert (await boss.get(url)).json() == before
    assert await logged(service) == []


async def test_nobody_can_take_the_name_of_a_deleted_account(service: Service, anna: Person) -> None:
    name = deleted_name(UUID(await id_of(anna)))
    for spelling in (name, name.upper(), name.replace("d", "\N{FULLWIDTH LATIN SMALL LETTER D}", 1)):
        with pytest.raises(InvalidInput):
            check_username(spelling)
        refused = await service.client.post("/users", json={"username": spelling, "password": PASSWORD})
        assert code_of(refused) == (422, "invalid_input")
    assert check_username("deleted-scenes") == "deleted-scenes"
    await leave(anna)
