"""The door for predictions: many requests, few commits, each its own answer."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import asyncpg
import pytest
from msgspec.structs import replace

from ml_service.background.relay import Relay
from ml_service.domain.submissions import Decision
from ml_service.messaging.connect import connect_queue
from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import Queue
from ml_service.storage import submissions
from ml_service.usecases.group_commit import GroupCommit
from tests.support.play import Play


@pytest.fixture
async def queue(database_url: str) -> AsyncIterator[Queue]:
    queue = await connect_queue("postgres", database_url=database_url)
    yield queue
    await queue.close()


@pytest.fixture
async def commits(play: Play, queue: Queue) -> AsyncIterator[GroupCommit]:
    relay = Relay(play.database, queue, lambda *_: 32)
    commits = GroupCommit(play.database, relay.send)
    yield commits
    await commits.drain()
    await relay.drain()


async def commits_made(play: Play) -> int:
    async with play.database.autocommit() as session:
        return int(await session.fetchval("SELECT count(DISTINCT xmin::text) FROM predictions"))


async def test_requests_of_one_moment_share_a_commit(play: Play, commits: GroupCommit) -> None:
    outcomes = await asyncio.gather(*(commits.submit(play.submission()) for _ in range(60)))
    assert {outcome.decision for outcome in outcomes} == {Decision.ACCEPTED}
    assert await commits_made(play) <= 4


async def test_a_cheap_request_is_accepted_although_an_expensive_one_before_it_was_refused(
    play: Play, commits: GroupCommit
) -> None:
    asked = [play.submission(), play.submission(cost=1000), play.submission(), play.submission(cost=98)]
    outcomes = await asyncio.gather(*(commits.submit(one) for one in asked))
    assert [outcome.decision for outcome in outcomes] == [
        Decision.ACCEPTED,
        Decision.INSUFFICIENT_CREDITS,
        Decision.ACCEPTED,
        Decision.ACCEPTED,
    ]
    assert await play.balance() == (0, 100)


async def test_a_request_that_the_database_refuses_does_not_take_its_neighbours_with_it(
    play: Play, commits: GroupCommit
) -> None:
    broken = play.submission()
    broken = replace(broken, items=(replace(broken.items[0], input="no json"),))
    outcomes = await asyncio.gather(
        *(commits.submit(one) for one in (play.submission(), play.submission(), broken, play.submission())),
        return_exceptions=True,
    )
    assert isinstance(outcomes[2], asyncpg.InvalidTextRepresentationError)
    assert [getattr(outcome, "decision", None) for outcome in outcomes].count(Decision.ACCEPTED) == 3
    assert await play.balance() == (97, 3)


async def test_twins_that_arrive_in_one_moment_are_one_prediction(play: Play, commits: GroupCommit) -> None:
    outcomes = await asyncio.gather(*(commits.submit(play.submission(key="k")) for _ in range(50)))
    assert [outcome.decision for outcome in outcomes].count(Decision.ACCEPTED) == 1
    assert {outcome.replayed_id for outcome in outcomes if outcome.decision is Decision.REPLAYED} <= set(
        await play.stored()
    )
    assert await play.balance() == (99, 1)


async def test_a_twin_is_not_refused_for_what_the_first_has_just_spent(play: Play, commits: GroupCommit) -> None:
    first, second = (play.submission(cost=60, key="k", fingerprint=b"same") for _ in range(2))
    async with play.database.begin() as session:  # another process
        [outcome] = await submissions.submit(session, [first])
        waiting = asyncio.create_task(commits.submit(second))
        await asyncio.sleep(0.3)
        assert not waiting.done()
    assert outcome.decision is Decision.ACCEPTED
    assert ((await waiting).decision, (await waiting).replayed_id) == (Decision.REPLAYED, first.items[0].id)
    assert await play.balance() == (40, 60)


async def test_a_request_that_stands_behind_a_twin_is_not_refused_for_it(play: Play, commits: GroupCommit) -> None:
    asked = [play.submission(cost=40, key="k"), play.submission(cost=40, key="k"), play.submission(cost=40)]
    outcomes = await asyncio.gather(*(commits.submit(one) for one in asked))
    assert [outcome.decision for outcome in outcomes] == [Decision.ACCEPTED, Decision.REPLAYED, Decision.ACCEPTED]
    assert await play.balance() == (20, 80)


async def test_a_request_without_a_key_is_not_refused_for_a_twin_at_the_open_limit(
    play: Play, commits: GroupCommit
) -> None:
    first = play.submission(open_max=3)  # alone in the first round; the others share the second
    asked = [first, *(play.submission(open_max=3, key="k") for _ in range(2)), play.submission(open_max=3)]
    outcomes = await asyncio.gather(*(commits.submit(one) for one in asked))
    assert [outcome.decision for outcome in outcomes] == [
        Decision.ACCEPTED,
        Decision.ACCEPTED,
        Decision.REPLAYED,
        Decision.ACCEPTED,
    ]
    refused = await commits.submit(play.submission(open_max=3))
    assert refused.decision is Decision.TOO_MANY_OPEN


async def test_what_is_accepted_reaches_the_queue_and_leaves_the_outbox(
    play: Play, commits: GroupCommit, queue: Queue
) -> None:
    outcomes = await asyncio.gather(*(commits.submit(play.submission()) for _ in range(40)))
    assert len(outcomes) == 40
    async with queue.consume_tasks(["default"], Prefetch(100, 1)) as consumer:
        ids = set()
        while len(ids) < 40:
            deliveries = await consumer.get_batch(100, wait_ms=0, timeout_s=5)
            assert deliveries, "the queue has less than what was accepted"
            ids |= {one for delivery in deliveries for one in delivery.message.ids}
            await consumer.ack(deliveries)
    assert ids == set(await play.stored())
    async with asyncio.timeout(5), play.database.autocommit() as session:
        while await session.fetchval("SELECT count(*) FROM outbox"):
            await asyncio.sleep(0.02)


async def test_a_simple_key_gets_the_answer_of_any_key(play: Play, commits: GroupCommit) -> None:
    key = dataclasses.replace(await play.key(), has_simple_key=True)
    asked = play.submission(by=key, key="k")
    assert (await commits.submit(asked)).decision is Decision.ACCEPTED
    assert (await commits.submit(asked)).decision is Decision.REPLAYED
    dear, cheap = play.submission(by=key, cost=1000), play.submission(by=key)
    outcomes = await asyncio.gather(commits.submit(dear), commits.submit(cheap))
    assert [one.decision for one in outcomes] == [Decision.INSUFFICIENT_CREDITS, Decision.ACCEPTED]
    async with play.database.autocommit() as session:
        await session.execute("UPDATE api_keys SET revoked_at = now()")
    assert (await commits.submit(play.submission(by=key))).decision is Decision.NO_SESSION
