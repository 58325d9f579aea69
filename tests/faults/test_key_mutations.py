"""The caps of API keys with one mechanism switched off; as in test_mutations.py."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from ml_service.domain.credentials import CapPer, Principal, SpendCap
from ml_service.domain.ledger import CREDITS_MAX, REGISTRATION_ACTOR, Kind
from ml_service.domain.submissions import Decision
from ml_service.storage import canceling, ledger, submissions
from tests.faults.test_mutations import UNLOCKED, Mutate, broken, mutate, play
from tests.support.locks import until_one_waits
from tests.support.nodes import execute
from tests.support.play import Play

__all__ = ["mutate", "play"]

pytestmark = pytest.mark.timeout(300)


async def spend(play: Play, key: Principal, *, at_once: bool = True) -> tuple[int, int]:
    """Two requests for 6 credits each by a key that may hold 10; what the key has spent, and what is held."""
    asked = [play.submission(items=6, batch=True, by=key) for _ in range(2)]
    if at_once:
        await play.submit(*asked)
    else:
        async with play.database.begin() as session:
            await submissions.submit(session, asked[:1])
            asking = asyncio.create_task(play.submit(asked[1]))
            await until_one_waits(play.url)
        await asking
    return (await play.spent(key)).day, (await play.balance())[1]


@pytest.fixture
async def capped(play: Play) -> Principal:
    """A key that may hold 10 of 110 credits."""
    async with play.database.begin() as session:
        await ledger.move(
            session, play.user_id, Kind.TOP_UP, 100, REGISTRATION_ACTOR, reason=None, balance_max=CREDITS_MAX
        )
    return await play.key(cap=SpendCap(10, CapPer.DAY))


@pytest.mark.parametrize("at_once", [True, False])
async def test_with_the_cap_a_key_holds_no_more_than_it(play: Play, capped: Principal, at_once: bool) -> None:
    assert await spend(play, capped, at_once=at_once) == (6, 6)
    assert await broken(play) == []


async def test_without_the_caps_condition_a_key_holds_more_than_its_cap(
    play: Play, capped: Principal, mutate: Mutate
) -> None:
    mutate(submissions, "_RANKED_BY_KEY", "OVER earlier_of_key > s.cap_left", "OVER earlier_of_key < 0")
    assert await spend(play, capped) == (12, 12)


async def test_without_the_lock_on_the_key_and_its_user_a_key_holds_more_than_its_cap(
    play: Play, capped: Principal, mutate: Mutate
) -> None:
    mutate(submissions, "_RANKED_BY_KEY", "ORDER BY a.id FOR NO KEY UPDATE", "")
    mutate(*UNLOCKED)
    assert await spend(play, capped, at_once=False) == (12, 12)


async def hold_while_a_cap_is_set(play: Play) -> str:
    """What is decided of a request for 6 credits by a key that gets a cap of 5 while the request waits for its user."""
    key = replace(await play.key(), has_simple_key=True)
    async with play.database.begin() as session:
        await session.execute("SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE", play.user_id)
        asking = asyncio.create_task(play.submit(play.submission(by=key, cost=6)))
        await until_one_waits(play.url)
        await session.execute("UPDATE api_keys SET cap_credits = 5, cap_per = 'day' WHERE id = $1", key.key_id)
    [outcome] = await asking
    return outcome.decision


async def test_without_comparing_the_version_of_keys_a_new_cap_is_passed(play: Play, mutate: Mutate) -> None:
    assert await hold_while_a_cap_is_set(play) == "late"
    mutate(submissions, "_RANKED", "r.keys_version <> p.keys_version", "false")
    assert await hold_while_a_cap_is_set(play) == "accepted"


async def test_without_giving_back_the_audit_finds_what_a_key_has_spent(
    play: Play, capped: Principal, mutate: Mutate
) -> None:
    mutate(canceling, "_CANCEL", "e.key_id IS NOT NULL", "false")
    [outcome] = await play.submit(play.submission(by=capped))
    assert outcome.decision is Decision.ACCEPTED
    async with play.database.begin() as session:
        await canceling.cancel(session, play.user_id, play.ids[-1])
    assert {one.rule for one in (await play.books()).differences} == {
        "key_spent_is_sum_of_holds",
        "key_spent_in_month_is_sum_of_holds",
        "key_spent_on_day_is_sum_of_holds",
    }


async def test_without_counting_what_it_has_held_a_new_cap_begins_at_nothing(play: Play) -> None:
    async def left_by_a_new_cap() -> str:
        key = await play.key()
        await play.submit(play.submission(by=replace(key, has_simple_key=True), cost=3))
        async with play.database.begin() as session:
            await session.execute("UPDATE api_keys SET cap_credits = 4, cap_per = 'day' WHERE id = $1", key.key_id)
        [outcome] = await play.submit(play.submission(by=key, cost=3))
        return outcome.decision

    assert await left_by_a_new_cap() == "key_cap_exceeded"
    await execute(
        play.url,
        "CREATE OR REPLACE FUNCTION count_keys(owner uuid, rows_max int) RETURNS boolean LANGUAGE sql"
        " AS 'SELECT false'",
    )
    assert await left_by_a_new_cap() == "accepted"


async def test_a_key_that_is_counted_twice_is_found_by_the_audit(play: Play, mutate: Mutate) -> None:
    mutate(submissions, "_SPENT", "cap_left IS NOT NULL", "key_id IS NOT NULL")
    key = await play.key()
    await play.submit(play.submission(by=key, cost=6))
    await play.spent(key)
    assert "key_spent_is_sum_of_holds" in {one.rule for one in (await play.books()).differences}
