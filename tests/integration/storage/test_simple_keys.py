"""Simple API keys, which the submit statement looks up by their token alone (decision 0024)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from ml_service.domain.credentials import Principal, Spent, hash_of
from ml_service.storage import canceling
from ml_service.usecases import api_keys
from tests.support.locks import until_one_waits
from tests.support.play import Play


async def decided(play: Play, by: Principal, **options: object) -> str:
    [outcome] = await play.submit(play.submission(by=by, **options))  # type: ignore[arg-type]
    return outcome.decision


def simple(key: Principal) -> Principal:
    return replace(key, has_simple_key=True)


async def test_a_simple_key_is_counted_and_named_as_any(play: Play) -> None:
    key = simple(await play.key())
    session, others = await play.principal(), simple(await play.key())
    asked = [play.submission(by=one, cost=cost) for one, cost in ((key, 2), (session, 3), (others, 4), (key, 5))]
    assert [one.decision for one in await play.submit(*asked)] == ["accepted"] * 4
    assert await decided(play, key, items=2, batch=True, key="k") == "accepted"
    assert await play.spent(key) == Spent(9, 9, 9)
    assert await play.spent(others) == Spent(4, 4, 4)
    async with play.database.autocommit() as session_:
        rows = await session_.fetch(
            "SELECT actor_id, sum(amount)::int FROM transactions WHERE kind = 'hold' GROUP BY 1"
        )
        assert await session_.fetchval("SELECT count(*) FROM predictions WHERE key_id = $1", key.key_id) == 4
    assert {row[0]: row[1] for row in rows} == {str(key.key_id): 9, str(play.user_id): 3, str(others.key_id): 4}
    async with play.database.begin() as session_:
        assert await canceling.cancel(session_, play.user_id, play.ids[0]) is not None
    assert await play.spent(key) == Spent(7, 7, 7)
    assert (await play.books()).is_clean


_NO_LONGER_SIMPLE = {
    "cap_credits = 5, cap_per = 'day'": "key_cap_exceeded",
    "models = '{other}'": "model_not_allowed",
    "scopes = '{read}'": "scope_missing",
    "expires_at = now()": "no_session",
    "revoked_at = now()": "no_session",
}


@pytest.mark.parametrize(("change", "decision"), _NO_LONGER_SIMPLE.items())
async def test_a_key_that_is_no_longer_simple_is_looked_at(play: Play, change: str, decision: str) -> None:
    key = await play.key()
    async with play.database.autocommit() as session:
        await session.execute(f"UPDATE api_keys SET {change}")
    assert await decided(play, simple(key), cost=6) == "late"
    assert await decided(play, key, cost=6) == decision
    assert await play.balance() == (100, 0)


@pytest.mark.parametrize("change", _NO_LONGER_SIMPLE)
async def test_a_key_that_is_changed_while_a_request_waits_is_looked_at(play: Play, change: str) -> None:
    key = simple(await play.key())
    async with play.database.begin() as session:
        await session.execute("SELECT FROM users FOR NO KEY UPDATE")
        asking = asyncio.create_task(decided(play, key, cost=6))
        await until_one_waits(play.url)
        await session.execute(f"UPDATE api_keys SET {change}")
    assert await asking == "late"
    assert await play.balance() == (100, 0)


async def test_why_a_simple_key_is_refused_is_for_the_look_at_it_to_say(play: Play) -> None:
    key = await play.key()
    asked = play.submission(by=simple(key), key="k")
    assert [one.decision for one in await play.submit(asked)] == ["accepted"]
    assert [one.decision for one in await play.submit(asked)] == ["late"]
    assert await decided(play, key, key="k", id=asked.items[0].id) == "replayed"
    assert await decided(play, simple(key), cost=101) == "late"
    assert await decided(play, key, cost=101) == "insufficient_credits"
    ended = replace(simple(key), token_hash=b"?" * 32)
    assert await decided(play, ended) == "late"
    assert await decided(play, replace(simple(key), key_id=UUID(int=7))) == "late"


async def test_a_rotated_token_is_simple_until_its_grace_ends(play: Play) -> None:
    key = simple(await play.key())
    for grace_s, decision in ((60, "accepted"), (0, "late")):
        async with play.database.begin() as session:
            made = await api_keys.rotate(session, play.user_id, key.key_id, grace_s=grace_s)  # type: ignore[arg-type]
        assert await decided(play, key) == decision
        key = replace(key, token_hash=hash_of(made.token))
        assert await decided(play, key) == "accepted"
