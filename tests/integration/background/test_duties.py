"""The duties of the leader: feed batches in turns, send again what got lost, end what is overdue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import asyncpg
import pytest
import structlog

from ml_service.background.batch_feeder import BatchFeeder
from ml_service.background.leader import APP_DUTIES_LOCK, Duty, Leader
from ml_service.background.relay import Relay
from ml_service.background.sweeper import Sweeper
from ml_service.domain.credentials import Principal
from ml_service.domain.ids import new_id
from ml_service.domain.predictions import Source
from ml_service.domain.submissions import Submission, SubmissionItem
from ml_service.messaging.connect import connect_queue
from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import Queue, TaskConsumer
from ml_service.storage import submissions, workers
from ml_service.storage.finishing import Finish
from ml_service.usecases import users
from tests.support.locks import END_HOLDERS
from tests.support.play import Play
from tests.support.waiting import PATIENCE_S, until

LOST_AFTER_S = 0.3
STANDING_BY = """
    SELECT count(*) FROM pg_stat_activity
    WHERE application_name = 'ml-service leader election' AND query LIKE '%pg_terminate_backend%'
        AND datname = current_database() AND pid <> pg_backend_pid()"""
"""One that did not get the lock asks whether its holder is frozen."""

MakeLeader = Callable[[], Leader]


@pytest.fixture
async def queue(database_url: str) -> AsyncIterator[Queue]:
    queue = await connect_queue("postgres", database_url=database_url)
    await queue.declare()
    yield queue
    await queue.close()


@pytest.fixture
async def make_leader(play: Play, queue: Queue) -> AsyncIterator[MakeLeader]:
    made: list[Leader] = []

    def make() -> Leader:
        relay = Relay(play.database, queue, lambda *_: 8)
        feeder = BatchFeeder(play.database, queue, relay, lambda *_: 8)
        sweeper = Sweeper(play.database, queue, relay, resend_after_s=0.2, lost_after_s=LOST_AFTER_S, silent_s=0.1)
        duties = [Duty("feed", feeder.feed, 0.02), Duty("sweep", sweeper.sweep, 0.05)]
        duties.append(Duty("resend", sweeper.resend_due, 0.05))
        made.append(Leader(play.database, play.url, lock_key=APP_DUTIES_LOCK, duties=duties))
        return made[-1]

    yield make
    for one in made:
        await one.close()


@pytest.fixture
async def consumer(queue: Queue) -> AsyncIterator[TaskConsumer]:
    async with queue.consume_tasks(["default"], Prefetch(100, 1)) as consumer:
        yield consumer


async def receive(consumer: TaskConsumer, count: int) -> list[UUID]:
    """The next ids from the queue, in order, at least ``count`` of them."""
    ids: list[UUID] = []
    while len(ids) < count:
        deliveries = await consumer.get_batch(1, wait_ms=0, timeout_s=8)
        assert deliveries, f"only {len(ids)} of {count} came"
        ids += [one for delivery in deliveries for one in delivery.message.ids]
        await consumer.ack(deliveries)
    return ids


async def test_predictions_that_the_relay_did_not_send_are_sent_by_the_sweeper(
    play: Play, make_leader: MakeLeader, consumer: TaskConsumer
) -> None:
    await play.submit(*(play.submission() for _ in range(20)))  # committed, and then the process died
    await make_leader().start()
    assert set(await receive(consumer, 20)) == set(play.ids)


async def test_predictions_that_wait_in_the_queue_are_not_sent_again(
    play: Play, make_leader: MakeLeader, queue: Queue
) -> None:
    await play.submit(*(play.submission() for _ in range(5)))
    await make_leader().start()
    async with asyncio.timeout(5):
        while (await queue.depth("default")).ready == 0:
            await asyncio.sleep(0.02)
    await asyncio.sleep(4 * LOST_AFTER_S)
    assert (await queue.depth("default")).ready == 1


async def test_batches_are_fed_in_turns_over_their_users(
    play: Play, make_leader: MakeLeader, consumer: TaskConsumer
) -> None:
    await play.submit(play.submission(items=100, batch=True))
    async with play.database.begin() as session:
        other = await users.register(session, "berta", None, starting_credits=100)
        items = tuple(SubmissionItem(new_id(), "echo", "1", "default", 1, "{}") for _ in range(4))
        await submissions.submit(session, [Submission(Principal(other.id), Source.API, items, new_id())])
    await make_leader().start()
    ids: list[UUID] = []
    while len(ids) < 104:  # the next come when these are answered
        some = await receive(consumer, 1)
        await play.finish(*(Finish(one.id, one.attempt, 1.0, "{}") for one in await play.claim(*some)))
        ids += some
    assert set(ids) == {*play.ids, *(item.id for item in items)}
    assert {item.id for item in items} <= set(ids[:16]), "four predictions queued behind a hundred of another user"


async def test_predictions_claimed_by_a_vanished_worker_are_sent_again(
    play: Play, make_leader: MakeLeader, consumer: TaskConsumer
) -> None:
    async with play.database.autocommit() as session:
        await play.beat(session)
    await play.submit(play.submission())
    await make_leader().start()
    await receive(consumer, 1)
    await play.claim(*play.ids)  # and its lock is held by nobody
    assert await receive(consumer, 1) == play.ids


async def test_predictions_claimed_by_a_live_worker_are_left_alone(
    play: Play, make_leader: MakeLeader, consumer: TaskConsumer
) -> None:
    async with play.database.own_connection(play.url, "lock") as own:
        await workers.hold_lock(own, 1)
        await play.beat(own)
        await play.submit(play.submission())
        await make_leader().start()
        await receive(consumer, 1)
        await play.claim(*play.ids)
        # It may have been about to be sent once more when it was claimed: then it is in the outbox until it is sent.
        is_moving = True
        while is_moving:
            received = await consumer.get_batch(1, wait_ms=0, timeout_s=0.3)
            is_moving = bool(received or await own.fetchval("SELECT count(*) FROM outbox"))
        assert await consumer.get_batch(1, wait_ms=0, timeout_s=1) == []


async def test_predictions_that_the_queue_lost_are_sent_again(
    play: Play, make_leader: MakeLeader, consumer: TaskConsumer
) -> None:
    await play.submit(play.submission())
    await make_leader().start()
    assert await receive(consumer, 1) == play.ids  # acked, then forgotten by its consumer
    assert await receive(consumer, 1) == play.ids


async def test_an_overdue_prediction_ends_without_any_worker(play: Play, make_leader: MakeLeader) -> None:
    await play.submit(play.submission(deadline_s=0.05))
    await make_leader().start()
    async with asyncio.timeout(5):
        while await play.balance() != (100, 0):
            await asyncio.sleep(0.05)


async def test_one_process_leads_and_another_takes_over(play: Play, make_leader: MakeLeader) -> None:
    first, second = make_leader(), make_leader()
    await first.start()
    await until(lambda: first.is_leading)
    await second.start()
    async with play.database.autocommit() as session, asyncio.timeout(PATIENCE_S):
        while not await session.fetchval(STANDING_BY) and not second.is_leading:
            await asyncio.sleep(0.05)
    assert (first.is_leading, second.is_leading) == (True, False)
    await first.close()
    await until(lambda: second.is_leading)


async def test_a_duty_that_fails_is_tried_again_and_the_other_duties_go_on_in_the_same_term(play: Play) -> None:
    runs = {"broken": 0, "sound": 0, "waiting": 0}
    terms = 0
    everything_ran = asyncio.Event()

    async def broken() -> None:
        runs["broken"] += 1
        if runs["broken"] == 2:
            everything_ran.set()
        raise LookupError("a bug")

    async def sound() -> None:
        runs["sound"] += 1

    async def waiting() -> None:
        runs["waiting"] += 1
        await asyncio.Event().wait()

    def elected() -> None:
        nonlocal terms
        terms += 1

    duties = [Duty("broken", broken, 0.02), Duty("sound", sound, 0.02), Duty("waiting", waiting, 0.02)]
    leader = Leader(play.database, play.url, lock_key=APP_DUTIES_LOCK, duties=duties, on_elected=elected)
    with structlog.testing.capture_logs() as lines:
        await leader.start()
        try:
            async with asyncio.timeout(10):
                await everything_ran.wait()
        finally:
            await leader.close()
    assert (terms, runs["broken"], runs["waiting"]) == (1, 2, 1)
    assert runs["sound"] > 5, "another duty waited for the one that fails"
    failed = [(line["duty"], line["exc_info"]) for line in lines if line["event"] == "duty_failed"]
    assert failed == [("broken", True)] * 2


@pytest.mark.slow
async def test_a_term_ends_with_the_connection_that_holds_the_lock(play: Play) -> None:
    terms: asyncio.Queue[None] = asyncio.Queue()
    leader = Leader(
        play.database,
        play.url,
        lock_key=APP_DUTIES_LOCK,
        duties=[Duty("nothing", asyncio.Event().wait, 1)],
        on_elected=lambda: terms.put_nowait(None),
    )
    await leader.start()
    try:
        async with asyncio.timeout(10):
            await terms.get()
            async with play.database.autocommit() as session:
                assert await session.fetch(END_HOLDERS, APP_DUTIES_LOCK)
            await terms.get()
    finally:
        await leader.close()


@pytest.mark.slow
async def test_a_leader_that_is_closed_while_it_loses_the_lock_ends(play: Play) -> None:
    began, is_ending = asyncio.Event(), asyncio.Event()

    async def slow_to_end() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            is_ending.set()
            await asyncio.sleep(0.5)

    duties = [Duty("slow to end", slow_to_end, 1)]
    leader = Leader(play.database, play.url, lock_key=APP_DUTIES_LOCK, duties=duties)
    await leader.start()
    async with asyncio.timeout(10):
        await began.wait()
        async with play.database.autocommit() as session:
            assert await session.fetch(END_HOLDERS, APP_DUTIES_LOCK)
        await is_ending.wait()
        await leader.close()


@pytest.mark.slow
async def test_a_leader_that_looks_after_its_lock_is_left_alone_and_a_frozen_one_is_replaced(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_service.background.leader.FROZEN_S", 6.0)
    leaders = [
        Leader(play.database, play.url, lock_key=APP_DUTIES_LOCK, duties=[Duty("nothing", asyncio.Event().wait, 1)])
        for _ in range(2)
    ]
    frozen = await asyncpg.connect(play.url)
    try:
        assert await frozen.fetchval("SELECT pg_try_advisory_lock($1)", APP_DUTIES_LOCK)
        for one in leaders:
            await one.start()
        await asyncio.sleep(1)
        assert not any(one.is_leading for one in leaders)
        await until(lambda: any(one.is_leading for one in leaders), 30)
        leader = next(one for one in leaders if one.is_leading)
        end = asyncio.get_running_loop().time() + 9
        while asyncio.get_running_loop().time() < end:
            assert leader.is_leading, "it is well"
            await asyncio.sleep(0.1)
    finally:
        frozen.terminate()
        for one in leaders:
            await one.close()
