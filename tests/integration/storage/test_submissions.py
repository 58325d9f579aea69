"""Accepting requests: credits, keys, limits."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from ml_service.domain.submissions import Decision
from tests.support.play import Play


async def test_an_accepted_request_holds_its_price_and_waits_in_the_outbox(play: Play) -> None:
    [outcome] = await play.submit(play.submission(cost=7))
    assert outcome.decision is Decision.ACCEPTED
    assert outcome.balance == 93
    assert await play.balance() == (93, 7)
    async with play.database.autocommit() as session:
        assert [row["prediction_id"] for row in await session.fetch("SELECT prediction_id FROM outbox")] == play.ids


async def test_a_batch_is_accepted_whole_or_not_at_all(play: Play) -> None:
    outcomes = await play.submit(play.submission(items=101, batch=True))
    assert [outcome.decision for outcome in outcomes] == [Decision.INSUFFICIENT_CREDITS]
    assert await play.balance() == (100, 0)
    [outcome] = await play.submit(play.submission(items=100, batch=True))
    assert outcome.decision is Decision.ACCEPTED
    assert await play.balance() == (0, 100)


async def test_parallel_requests_never_spend_more_than_there_is(play: Play) -> None:
    outcomes = await asyncio.gather(*(play.submit(play.submission(cost=10)) for _ in range(50)))
    decisions = [outcome.decision for [outcome] in outcomes]
    assert decisions.count(Decision.ACCEPTED) == 10
    assert decisions.count(Decision.INSUFFICIENT_CREDITS) == 40
    assert await play.balance() == (0, 100)


async def test_requests_of_one_commit_are_served_in_their_order(play: Play) -> None:
    outcomes = await play.submit(*(play.submission(cost=30) for _ in range(5)))
    assert [outcome.decision for outcome in outcomes] == [Decision.ACCEPTED] * 3 + [Decision.INSUFFICIENT_CREDITS] * 2


async def test_fifty_parallel_twins_of_one_key_make_one_prediction(play: Play) -> None:
    submissions = [play.submission(key="k", fingerprint=b"same") for _ in range(50)]
    outcomes = [outcome for [outcome] in await asyncio.gather(*(play.submit(one) for one in submissions))]
    assert [outcome.decision for outcome in outcomes].count(Decision.ACCEPTED) == 1
    assert {outcome.decision for outcome in outcomes} <= {Decision.ACCEPTED, Decision.TWIN, Decision.REPLAYED}
    winner = next(one for one, outcome in zip(submissions, outcomes, strict=True) if outcome.decision == "accepted")
    again = [outcome for [outcome] in await asyncio.gather(*(play.submit(one) for one in submissions))]
    assert {(outcome.decision, outcome.replayed_id) for outcome in again} == {("replayed", winner.items[0].id)}
    assert await play.balance() == (99, 1)


async def test_twins_of_one_commit_are_accepted_once_and_paid_once(play: Play) -> None:
    asked = [play.submission(cost=30, key=key) for key in ("k", "k", None, "other", "k")]
    outcomes = await play.submit(*asked)
    refused = "insufficient_credits"  # for what its twins would cost, and submitted again by the group commit
    assert [outcome.decision for outcome in outcomes] == ["accepted", "twin", "accepted", refused, refused]
    assert await play.stored() == [asked[0].items[0].id, asked[2].items[0].id]
    assert await play.balance() == (40, 60)


async def test_a_refused_request_leaves_its_key_free(play: Play) -> None:
    [refused] = await play.submit(play.submission(cost=101, key="k"))
    [accepted] = await play.submit(play.submission(cost=1, key="k"))
    assert [refused.decision, accepted.decision] == [Decision.INSUFFICIENT_CREDITS, Decision.ACCEPTED]


async def test_a_replay_is_answered_even_where_the_balance_is_spent(play: Play) -> None:
    await play.submit(play.submission(cost=100, key="k", fingerprint=b"f"))
    [outcome] = await play.submit(play.submission(cost=100, key="k", fingerprint=b"f"))
    assert outcome.decision is Decision.REPLAYED
    assert outcome.replayed_fingerprint == b"f"


async def test_open_singles_have_a_limit_that_batches_do_not_count_towards(play: Play) -> None:
    await play.submit(play.submission(items=20, batch=True))
    outcomes = await play.submit(*(play.submission(open_max=3) for _ in range(5)))
    assert [outcome.decision for outcome in outcomes] == [Decision.ACCEPTED] * 3 + [Decision.TOO_MANY_OPEN] * 2


async def test_the_schema_itself_refuses_a_negative_balance(play: Play) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        async with play.database.autocommit() as session:
            await session.execute("UPDATE users SET balance = -1")
