"""Simple API keys, which the submit statement looks up by their token alone (decision 0024)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

import pytest

from ml_service.background.key_counting import KeyCounter
from ml_service.domain.credentials import CapPer, Principal, SpendCap, Spent, hash_of
from ml_service.storage import api_keys as stored_keys
from ml_service.storage import canceling, submissions
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


async def raw(play: Play, key: Principal) -> int:
    """What a key has spent so far as it is counted."""
    async with play.database.autocommit() as session:
        return int(await session.fetchval("SELECT spent_total FROM api_keys WHERE id = $1", key.key_id))


async def cap(play: Play, key: Principal, wanted: SpendCap | None) -> Spent:
    """Set a key's cap, as its user does; what it has spent then."""
    async with play.database.begin() as session:
        return (await api_keys.change(session, play.user_id, key.key_id, {"cap": wanted})).spent  # type: ignore[arg-type]


async def test_only_a_key_with_a_cap_is_counted_as_it_holds(play: Play) -> None:
    key = await play.key()
    for by, spent in ((simple(key), 0), (key, 0)):
        assert await decided(play, by, cost=3) == "accepted"
        assert await raw(play, key) == spent
        assert (await play.books()).is_clean
    assert await cap(play, key, SpendCap(8, CapPer.TOTAL)) == Spent(6, 6, 6)
    assert await decided(play, key, cost=3) == "key_cap_exceeded"
    assert await decided(play, key, cost=2) == "accepted"
    assert await raw(play, key) == 8
    assert await cap(play, key, None) == Spent(8, 8, 8)
    assert await decided(play, simple(key), cost=5) == "accepted"
    assert await raw(play, key) == 8
    async with play.database.begin() as session:  # the trigger counts, by whatever way a cap is set
        await session.execute("UPDATE api_keys SET cap_credits = 13, cap_per = 'day' WHERE id = $1", key.key_id)
    assert await raw(play, key) == 13
    assert await decided(play, key) == "key_cap_exceeded"
    assert (await play.books()).is_clean


async def test_what_is_given_back_before_it_is_counted(play: Play) -> None:
    key, other = simple(await play.key()), simple(await play.key())
    for by in (key, other, key):
        assert await decided(play, by, cost=3) == "accepted"
    async with play.database.begin() as session:
        await canceling.cancel(session, play.user_id, play.ids[0])
    assert await raw(play, key) == -3
    assert (await play.books()).is_clean
    assert await cap(play, key, SpendCap(4, CapPer.DAY)) == Spent(3, 3, 3)
    assert await decided(play, replace(key, has_simple_key=False), cost=2) == "key_cap_exceeded"
    assert await play.spent(other) == Spent(3, 3, 3)
    assert (await play.books()).is_clean


async def test_a_cap_waits_for_what_is_being_held_and_counts_it(play: Play) -> None:
    key = simple(await play.key())
    async with play.database.begin() as session:
        await submissions.submit(session, [play.submission(by=key, cost=6)])
        capping = asyncio.create_task(cap(play, key, SpendCap(5, CapPer.DAY)))
        await until_one_waits(play.url)
    assert (await capping).day == 6
    assert (await play.books()).is_clean


async def test_a_new_key_begins_behind_what_other_keys_have_held(play: Play) -> None:
    assert await decided(play, simple(await play.key()), cost=6) == "accepted"
    new = simple(await play.key())
    async with play.database.autocommit() as session:
        counted_to, last = await session.fetchrow(  # type: ignore[misc]
            "SELECT (SELECT counted_to FROM api_keys WHERE id = $1), (SELECT max(id) FROM transactions)", new.key_id
        )
    assert counted_to == last
    assert await play.spent(new) == Spent()


async def test_the_background_counts_keys_that_were_used_lately_in_pieces(play: Play) -> None:
    keys = [simple(await play.key()) for _ in range(3)]
    for _ in range(4):
        await play.submit(*(play.submission(by=key) for key in keys))
    async with play.database.autocommit() as session:
        await stored_keys.note_use(session, [key.key_id for key in keys[:1] if key.key_id], 60)
        assert await stored_keys.count(session, play.user_id, 2)
        assert await stored_keys.users_to_count(session, 60) == [play.user_id]
    assert await raw(play, keys[2]) < 4
    await KeyCounter(play.database, rows_max=2, pause_s=0).count()
    assert [await raw(play, key) for key in keys] == [4, 4, 4]
    assert (await play.books()).is_clean


async def test_a_revoked_key_has_all_counted(play: Play) -> None:
    key = simple(await play.key())
    assert await decided(play, key, cost=6) == "accepted"
    async with play.database.begin() as session:
        await api_keys.revoke(session, play.user_id, key.key_id)  # type: ignore[arg-type]
    assert await raw(play, key) == 6
    async with play.database.begin() as session:
        await canceling.cancel(session, play.user_id, play.ids[0])
    assert await raw(play, key) == 0
    assert (await play.books()).is_clean
