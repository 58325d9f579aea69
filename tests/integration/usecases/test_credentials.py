"""What was checked must still be true when it counts: sign-ins, refreshes and codes beside a change of password."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from ml_service.domain.credentials import Principal
from ml_service.domain.errors import Blocked, Overloaded, PermissionDenied, Unauthenticated, WrongCredentials
from ml_service.domain.users import User
from ml_service.storage import link_codes, sessions, users
from ml_service.storage.database import Database, Session
from ml_service.storage.users import Login
from ml_service.usecases import admin
from ml_service.usecases import telegram as telegram_usecase
from ml_service.usecases import users as users_usecase
from ml_service.usecases.passwords import WAITING_MAX, Passwords
from ml_service.usecases.users import SignInLimits, Tokens
from tests.support.play import Play

OLD, NEW = "a quiet green river", "a loud red mountain"
LIMITS = SignInLimits(5, 300)
WAITS_S = 0.3


@pytest.fixture
def passwords() -> Passwords:
    return Passwords()


@pytest.fixture
async def ben(play: Play, passwords: Passwords) -> User:
    """A user with the old password."""
    password_hash = await passwords.hash(OLD)
    async with play.database.begin() as session:
        return await users_usecase.register(session, "ben", password_hash, starting_credits=0)


async def sign_in(database: Database, passwords: Passwords, password: str, address: str = "192.0.2.1") -> Tokens:
    return await users_usecase.sign_in(
        database, passwords, "ben", password, address=address, limits=LIMITS, lifetime_s=3600
    )


async def change(session: Session, user: User, passwords: Passwords) -> None:
    """What a change of password does, in an open transaction."""
    known = await users.login_of(session, user.username)
    assert known is not None
    assert await users.replace_password_hash(session, user.id, known.password_hash, await passwords.hash(NEW))
    await sessions.revoke_all_of(session, user.id)
    await link_codes.end_unused(session, user.id)


async def change_password(database: Database, passwords: Passwords, user: User) -> Tokens:
    return await users_usecase.change_password(database, passwords, user, OLD, NEW, lifetime_s=3600)


async def is_waiting(task: asyncio.Task[object]) -> bool:
    await asyncio.wait([task], timeout=WAITS_S)
    return not task.done()


async def live_sessions(database: Database, user: User) -> int:
    async with database.autocommit() as session:
        return int(
            await session.fetchval("SELECT count(*) FROM sessions WHERE user_id = $1 AND revoked_at IS NULL", user.id)
        )


async def codes(database: Database, user: User) -> int:
    async with database.autocommit() as session:
        return int(await session.fetchval("SELECT count(*) FROM telegram_link_codes WHERE user_id = $1", user.id))


async def test_a_sign_in_that_overlaps_a_change_of_password_is_refused(
    play: Play, passwords: Passwords, ben: User
) -> None:
    async with play.database.begin() as session:
        await change(session, ben, passwords)
        signing_in = asyncio.create_task(sign_in(play.database, passwords, OLD))  # still sees the old password
        assert await is_waiting(signing_in)
    with pytest.raises(WrongCredentials):
        await signing_in
    assert await live_sessions(play.database, ben) == 0
    assert (await sign_in(play.database, passwords, NEW)).user_id == ben.id


async def test_a_session_that_was_faster_than_a_change_of_password_ends_with_it(
    play: Play, passwords: Passwords, ben: User
) -> None:
    async with play.database.begin() as session:
        known = await users.login_of(session, "ben")
        assert known is not None
        assert await sessions.add(session, play.user_id, known, b"", 3600)
        changing = asyncio.create_task(change_password(play.database, passwords, ben))
        assert await is_waiting(changing)
    fresh = await changing
    assert await live_sessions(play.database, ben) == 1
    async with play.database.autocommit() as session:
        assert set(await sessions.users_of_sessions(session, [play.user_id, fresh.session_id])) == {fresh.session_id}


async def test_of_two_changes_of_a_password_at_once_one_is_made(play: Play, passwords: Passwords, ben: User) -> None:
    results = await asyncio.gather(
        *(change_password(play.database, passwords, ben) for _ in range(4)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in results) == ["Tokens", *["WrongCredentials"] * 3]
    assert await live_sessions(play.database, ben) == 1


async def test_a_refresh_that_overlaps_a_change_of_password_leaves_nothing(
    play: Play, passwords: Passwords, ben: User
) -> None:
    tokens = await sign_in(play.database, passwords, OLD)

    async def renew(token: str) -> Tokens | None:
        async with play.database.begin() as session:
            return await users_usecase.renew(session, token)

    async with play.database.begin() as session:
        await change(session, ben, passwords)
        renewing = asyncio.create_task(renew(tokens.refresh_token))
        assert await is_waiting(renewing)
    assert await renewing is None
    assert await live_sessions(play.database, ben) == 0


async def test_a_refresh_that_was_faster_ends_with_the_change(play: Play, passwords: Passwords, ben: User) -> None:
    tokens = await sign_in(play.database, passwords, OLD)
    async with play.database.begin() as session:
        renewed = await users_usecase.renew(session, tokens.refresh_token)
        changing = asyncio.create_task(change_password(play.database, passwords, ben))
        assert await is_waiting(changing)
    await changing
    assert renewed is not None
    async with play.database.begin() as session:
        assert await users_usecase.renew(session, renewed.refresh_token) is None


async def test_a_link_code_that_overlaps_a_change_of_password_is_refused(
    play: Play, passwords: Passwords, ben: User
) -> None:
    tokens = await sign_in(play.database, passwords, OLD)
    principal = Principal(ben.id, tokens.session_id)

    async def issue() -> None:
        async with play.database.begin() as session:
            await telegram_usecase.issue_code(session, principal)

    async with play.database.begin() as session:
        await change(session, ben, passwords)
        issuing = asyncio.create_task(issue())
        assert await is_waiting(issuing)
    with pytest.raises(Unauthenticated):
        await issuing
    assert await codes(play.database, ben) == 0


async def test_a_link_code_that_was_faster_ends_with_the_change(play: Play, passwords: Passwords, ben: User) -> None:
    tokens = await sign_in(play.database, passwords, OLD)
    async with play.database.begin() as session:
        await telegram_usecase.issue_code(session, Principal(ben.id, tokens.session_id))
        changing = asyncio.create_task(change_password(play.database, passwords, ben))
        assert await is_waiting(changing)
    await changing
    assert await codes(play.database, ben) == 0


async def test_a_demo_user_that_is_locked_out_meanwhile_gets_no_session(play: Play, passwords: Passwords) -> None:
    await users_usecase.ensure_demo_user(play.database, passwords, starting_credits=0)
    async with play.database.begin() as session:
        known = await users.login_of(session, "test")
        assert known is not None
        await users.lock_out_demo_users(session)
        signing_in: Awaitable[Tokens] = asyncio.ensure_future(
            users_usecase.sign_in(
                play.database, passwords, "test", "test", address="local", limits=LIMITS, lifetime_s=60
            )
        )
        assert await is_waiting(asyncio.ensure_future(signing_in))
    with pytest.raises(WrongCredentials):
        await signing_in


async def test_the_demo_users_password_cannot_be_changed(play: Play, passwords: Passwords) -> None:
    await users_usecase.ensure_demo_user(play.database, passwords, starting_credits=0)
    async with play.database.autocommit() as session:
        demo = await users.get_by_name(session, "test")
    assert demo is not None
    with pytest.raises(PermissionDenied):
        await users_usecase.change_password(play.database, passwords, demo, "test", NEW, lifetime_s=60)


async def test_right_passwords_at_once_are_not_throttled(play: Play, passwords: Passwords, ben: User) -> None:
    tokens = await asyncio.gather(*(sign_in(play.database, passwords, OLD) for _ in range(20)))
    assert {one.user_id for one in tokens} == {ben.id}


async def test_wrong_passwords_at_once_are_not_tried_more_often_than_allowed(
    play: Play, passwords: Passwords, ben: User
) -> None:
    assert ben.username == "ben"
    results = await asyncio.gather(
        *(sign_in(play.database, passwords, "wrong") for _ in range(20)), return_exceptions=True
    )
    kinds = [type(one).__name__ for one in results]
    assert (kinds.count("WrongCredentials"), kinds.count("TooManyRequests")) == (5, 15)


async def test_an_address_and_an_account_have_limits_in_all(
    play: Play, passwords: Passwords, ben: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ben.username == "ben"
    monkeypatch.setattr(users_usecase, "SPREAD_MAX", 2)

    async def kinds(*tries: tuple[str, str]) -> list[str]:
        found = await asyncio.gather(
            *(
                users_usecase.sign_in(
                    play.database, passwords, name, "wrong", address=address, limits=LIMITS, lifetime_s=60
                )
                for name, address in tries
            ),
            return_exceptions=True,
        )
        return [type(one).__name__ for one in found]

    from_one_address = await kinds(*((f"name{number}", "192.0.2.2") for number in range(15)))
    assert from_one_address.count("WrongCredentials") == 10
    at_one_account = await kinds(*(("ben", f"192.0.2.{number}") for number in range(10, 25)))
    assert at_one_account.count("WrongCredentials") == 10
    assert await kinds(("carl", "192.0.2.99")) == ["WrongCredentials"]


async def test_passwords_that_wait_have_a_bound(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_places", asyncio.Semaphore(0))
    waiting = [asyncio.create_task(passwords.matches(None, "x")) for _ in range(WAITING_MAX)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await passwords.matches(None, "x")
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert passwords._waiting == 0


async def test_a_session_needs_the_password_that_was_checked(play: Play, ben: User) -> None:
    async with play.database.begin() as session:
        assert not await sessions.add(session, play.user_id, Login(ben.id, "another hash", is_demo=False), b"", 60)


async def test_a_sign_in_that_overlaps_a_block_does_not_survive_it(play: Play, passwords: Passwords, ben: User) -> None:
    async with play.database.begin() as session:
        await admin.set_blocked(session, admin.OPERATOR, ben.id, is_blocked=True, reason="test")
        late = asyncio.create_task(sign_in(play.database, passwords, OLD))
        assert await is_waiting(late)
    with pytest.raises(WrongCredentials):  # the block came while the password was checked
        await late
    with pytest.raises(Blocked):
        await sign_in(play.database, passwords, OLD)
    async with play.database.begin() as session:
        await admin.set_blocked(session, admin.OPERATOR, ben.id, is_blocked=False, reason="test")
    tokens = await sign_in(play.database, passwords, OLD)
    async with play.database.begin() as session:
        await telegram_usecase.issue_code(session, Principal(ben.id, tokens.session_id))
    assert (await live_sessions(play.database, ben), await codes(play.database, ben)) == (1, 1)
    async with play.database.begin() as session:
        await admin.set_blocked(session, admin.OPERATOR, ben.id, is_blocked=True, reason="test")
    assert (await live_sessions(play.database, ben), await codes(play.database, ben)) == (0, 0)
