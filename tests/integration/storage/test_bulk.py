"""Bulk jobs in the tables: held once, fed once, counted once; and what the books say where a mechanism is off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from ml_service.background import bulk_feeder
from ml_service.background.bulk_feeder import LINES_FED_MAX, BulkFeeder, shares
from ml_service.domain.bulk import BulkStatus, Chunk
from ml_service.domain.ids import new_id
from ml_service.domain.ledger import Actor, ActorKind
from ml_service.domain.predictions import PredictionError, Source
from ml_service.domain.submissions import Decision
from ml_service.storage import admin_users, balance_changes, bulk_feeding, bulk_jobs, ledger
from ml_service.storage.bulk_feeding import FeedJob
from ml_service.storage.database import Database
from ml_service.storage.finishing import Finish
from ml_service.usecases import users
from tests.support.bulk_play import fed, received, start, started
from tests.support.plans import rows_read
from tests.support.play import Play


async def test_feeding_moves_the_hold_to_the_predictions(play: Play) -> None:
    bulk_id, decision = await started(play, 4, price=3)
    assert decision is Decision.ACCEPTED
    assert await play.balance() == (88, 12)
    ids = await fed(play.database, bulk_id, 0)
    assert ids is not None
    assert await play.balance() == (88, 12)
    await play.claim(*ids)
    await play.finish(Finish(ids[0], 1, 1.0, "{}"))
    assert await play.balance() == (88, 9)
    async with play.database.begin() as session:
        actor = Actor(ActorKind.USER, str(play.user_id))
        assert await bulk_jobs.stop(session, bulk_id, play.user_id, BulkStatus.CANCELED, actor)
        assert await bulk_jobs.cancel_some(session, play.user_id, bulk_id, 10) == 1
    assert await play.balance() == (97, 0)


async def test_admins_see_what_is_held_as_the_user_does(play: Play) -> None:
    bulk_id, _ = await started(play, 4, price=3)
    await received(play, 4)  # which holds nothing yet
    for number in range(3):
        async with play.database.autocommit() as session:
            [listed] = await admin_users.page(session, name=None, before=None, limit=10)
            [found] = await admin_users.page(session, name="ann", before=None, limit=10)
            shown = await admin_users.get(session, play.user_id)
        assert shown == listed == found
        assert (shown.balance, shown.held) == await play.balance() == (88, 12)
        await fed(play.database, bulk_id, number)


async def test_a_chunk_is_fed_once(play: Play, database_url: str) -> None:
    bulk_id, _ = await started(play, 4)
    others = [await Database.connect(database_url, name="other", timeout_s=10) for _ in range(8)]
    found = await asyncio.gather(*(fed(one, bulk_id, 0) for one in others))
    assert sum(ids is not None for ids in found) == 1
    for one in others:
        await one.close()


async def test_a_count_of_a_chunk_that_is_just_settled_by_another_feeder_is_dropped(
    play: Play, database_url: str
) -> None:
    bulk_id, _ = await started(play, 4)
    ids = await fed(play.database, bulk_id, 0)
    assert ids is not None
    for claimed in await play.claim(*ids):
        await play.finish(Finish(claimed.id, claimed.attempt, 1.0, "{}"))
    other = await Database.connect(database_url, name="other", timeout_s=10)
    async with play.database.begin() as session:
        [job] = await bulk_feeding.unfinished(session, 9)
        assert await bulk_feeding.settle(session, job, 5) == 1

        async def count() -> None:
            async with other.autocommit() as session:
                await bulk_feeding.count_partial(session, bulk_id, 2)

        counting = asyncio.create_task(count())
        await asyncio.sleep(0.5)  # it has seen the chunk unsettled, and waits for the job's row
        assert not counting.done()
    await counting
    await other.close()
    async with play.database.autocommit() as session:
        found = await bulk_jobs.get(session, None, bulk_id)
    assert found is not None
    assert (found.succeeded, found.waiting) == (2, 2)


async def test_a_stopped_job_is_fed_no_more(play: Play) -> None:
    bulk_id, _ = await started(play, 4)
    async with play.database.begin() as session:
        actor = Actor(ActorKind.USER, str(play.user_id))
        await bulk_jobs.stop(session, bulk_id, None, BulkStatus.CANCELED, actor)
    assert await fed(play.database, bulk_id, 0) is None
    assert await play.balance() == (100, 0)


async def test_of_parallel_jobs_only_those_start_that_can_be_paid(play: Play, database_url: str) -> None:
    others = [Play(await Database.connect(database_url, name="other", timeout_s=10), play.user_id) for _ in range(6)]
    found = await asyncio.gather(*(started(one, 40) for one in others))
    assert sorted(decision for _, decision in found if decision) == ["accepted"] * 2 + ["insufficient_credits"] * 4
    assert await play.balance() == (20, 80)
    for one in others:
        await one.database.close()


async def test_a_job_whose_start_is_being_committed_loses_no_line(play: Play) -> None:
    """Its app has given up waiting for the commit, and discards what it has received."""
    bulk_id = await received(play, 4)
    async with play.database.begin() as session:
        assert await start(session, play, bulk_id) is Decision.ACCEPTED

        async def discard() -> bool:
            async with play.database.autocommit() as other:
                return await bulk_jobs.delete_some(other, bulk_id, 20, is_finished=False)

        discarding = asyncio.create_task(discard())
        await asyncio.sleep(0.5)
        assert not discarding.done()
    assert await discarding
    assert (await job_of(play, bulk_id)).status is BulkStatus.RUNNING
    for number in range(2):
        assert await fed(play.database, bulk_id, number) is not None


async def test_a_job_that_has_lost_lines_does_not_start(play: Play) -> None:
    """Its app was frozen, and wakes while the sweeper deletes the job."""
    bulk_id = await received(play, 6)
    async with play.database.autocommit() as session:
        assert not await bulk_jobs.delete_some(session, bulk_id, 2, is_finished=False)
        chunk = Chunk([7, 8], [None] * 2, ["{}"] * 2, [None] * 2)
        await bulk_jobs.add_chunk(session, bulk_id, 3, chunk)
    async with play.database.begin() as session:
        assert await start(session, play, bulk_id) is None
    assert await play.balance() == (100, 0)
    async with play.database.autocommit() as session:
        assert await bulk_jobs.delete_some(session, bulk_id, 20, is_finished=False)
    assert await job_of(play, bulk_id) is None


async def test_of_parallel_uploads_only_so_many_begin(play: Play, database_url: str) -> None:
    others = [await Database.connect(database_url, name="other", timeout_s=10) for _ in range(8)]

    async def begin(database: Database) -> bool:
        async with database.begin() as session:
            is_made = await bulk_jobs.create(
                session,
                new_id(),
                play.user_id,
                Source.API,
                model="echo",
                version="1",
                pool="default",
                price_credits=1,
                open_max=3,
            )
            await asyncio.sleep(0.1)
            return is_made

    found = await asyncio.gather(*(begin(one) for one in others))
    assert sum(found) == 3
    for one in others:
        await one.close()


async def test_a_job_finishes_when_all_chunks_are_counted(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_feeder, "COUNT_S", 0)
    bulk_id, _ = await started(play, 4)
    feeder = BulkFeeder(play.database, play.database, gone_s=3600, encode=lambda _: "{}")
    await feeder.feed()
    async with play.database.autocommit() as session:
        ids = [row["id"] for row in await session.fetch("SELECT id FROM predictions ORDER BY id")]
    assert len(ids) == 4
    await play.claim(*ids)
    await play.finish(*(Finish(one, 1, 1.0, "{}") for one in ids[:3]))
    await feeder.feed()
    job = await job_of(play, bulk_id)
    assert (job.status, job.succeeded) == (BulkStatus.RUNNING, 3)
    await play.finish(Finish(ids[3], 1, 1.0, "{}"))
    await feeder.feed()
    await feeder.feed()
    job = await job_of(play, bulk_id)
    assert (job.status, job.succeeded, job.charged) == (BulkStatus.FINISHED, 4, 4)


async def test_settling_a_chunk_reads_no_other_chunk(play: Play) -> None:
    """In a database without statistics, too: a plan that reads the whole job was found there."""
    chunks, lines = 10, 10
    bulk_id, decision = await started(play, chunks * lines, chunk=lines)
    assert decision is Decision.ACCEPTED
    ids = [await fed(play.database, bulk_id, number, lines) or [] for number in range(chunks)]
    await play.claim(*ids[0])
    await play.finish(*(Finish(one, 1, 1.0, "{}") for one in ids[0]))
    async with play.database.autocommit() as session:
        read = await rows_read(session, bulk_feeding._SETTLE, bulk_id, play.user_id, chunks, 5)
    # All chunks, the lines of the first, twice, and a line of each other; and some for changing what was settled.
    assert read <= chunks + 2 * lines + chunks + chunks
    assert (await job_of(play, bulk_id)).succeeded == lines


async def test_a_job_whose_version_nobody_serves_holds_up_no_other(play: Play) -> None:
    """Its lines would wait beside the queue, and count as what the pool's workers have to do."""
    parked, _ = await started(play, 4)
    async with play.database.begin() as session:
        await session.execute("UPDATE bulk_jobs SET version = 'old' WHERE id = $1", parked)
        await session.execute(
            "INSERT INTO model_versions (name, version, spec, parked_at) VALUES ('echo', 'old', '{}', now())"
        )
    served, _ = await started(play, 4)
    feeder = BulkFeeder(play.database, play.database, gone_s=3600, encode=lambda _: "{}")
    fed = "SELECT DISTINCT batch_id FROM predictions"
    await feeder.feed()
    async with play.database.autocommit() as session:
        assert [row["batch_id"] for row in await session.fetch(fed)] == [served]
        await session.execute("UPDATE model_versions SET parked_at = NULL")
    await feeder.feed()
    async with play.database.autocommit() as session:
        assert {row["batch_id"] for row in await session.fetch(fed)} == {served, parked}


async def test_what_is_open_of_all_jobs_of_a_user_is_bounded(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_feeder, "LINES_FED_MAX", 4)
    jobs = [(await started(play, 4))[0] for _ in range(3)]
    feeder = BulkFeeder(play.database, play.database, gone_s=3600, encode=lambda _: "{}")
    ended = 0
    for _ in jobs:
        await feeder.feed()
        await feeder.feed()
        ids = (await play.stored())[ended:]
        assert len(ids) == 4
        await play.claim(*ids)
        await play.finish(*(Finish(one, 1, 1.0, "{}") for one in ids))
        ended += 4
    await feeder.feed()
    await feeder.feed()
    assert [(await job_of(play, one)).status for one in jobs] == [BulkStatus.FINISHED] * 3


async def job_of(play: Play, bulk_id: UUID) -> Any:
    async with play.database.autocommit() as session:
        return await bulk_jobs.get(session, play.user_id, bulk_id)


def feed_job(user: UUID, *, pool: str = "default", done: int = 0, **flags: bool) -> FeedJob:
    nothing = dict.fromkeys(("is_stopped", "is_all_fed", "is_canceled", "is_parked"), False)
    return FeedJob(new_id(), user, pool, "echo", "1", 1, done, **{**nothing, **flags})


def test_users_share_what_may_be_fed_alike_whatever_they_have_sent() -> None:
    anna, bert = new_id(), new_id()
    jobs = [feed_job(anna), feed_job(anna), feed_job(bert, done=100)]
    assert shares(jobs) == [(jobs[0], LINES_FED_MAX // 2), (jobs[2], LINES_FED_MAX // 2 - 100)]
    full = [feed_job(anna, done=LINES_FED_MAX), feed_job(bert)]
    assert shares(full) == [(full[1], 1)]


@pytest.mark.parametrize("flag", ["is_all_fed", "is_stopped"])
def test_jobs_that_are_fed_no_more_take_room_until_their_lines_have_ended(flag: str) -> None:
    anna, bert = new_id(), new_id()
    next_job = feed_job(anna)
    assert shares([feed_job(anna, done=LINES_FED_MAX, **{flag: True}), next_job]) == []
    assert shares([feed_job(anna, done=LINES_FED_MAX - 5, **{flag: True}), next_job]) == [(next_job, 5)]
    assert shares([feed_job(anna, done=LINES_FED_MAX, is_parked=True, **{flag: True}), next_job]) == [
        (next_job, LINES_FED_MAX)
    ]
    bert_job = feed_job(bert)
    assert shares([feed_job(anna, done=LINES_FED_MAX, **{flag: True}), next_job, bert_job]) == [(bert_job, 1)]
    elsewhere = feed_job(anna, pool="gpu")
    assert shares([feed_job(anna, done=LINES_FED_MAX, **{flag: True}), elsewhere]) == [(elsewhere, LINES_FED_MAX)]


def test_a_user_who_has_least_in_the_queue_is_fed_first() -> None:
    anna, bert, clara = new_id(), new_id(), new_id()
    jobs = [
        feed_job(anna, done=LINES_FED_MAX - 3000, is_all_fed=True),
        feed_job(bert, done=2000),
        feed_job(clara, done=500),
    ]
    assert shares(jobs) == [(jobs[2], 500)]


OFF: list[tuple[str, Callable[[str], str], str]] = [
    ("the job keeps what it hands on", lambda sql: without(sql, "moved"), "job_holds_what_waits"),
    ("predictions of a job hold nothing", lambda sql: without(sql, "held"), "hold_is_cost"),
    ("a chunk is fed without a look at the job", lambda sql: sql.replace(" AND b.chunks_fed = $2", ""), ""),
]


def without(sql: str, name: str) -> str:
    """The statement with one of its inserts inserting nothing."""
    start = sql.index(f"), {name} AS (")
    end = sql.index("\n    ), ", start + 1)
    return sql[:end] + " LIMIT 0" + sql[end:] if "ORDER BY" in sql[start:end] else sql[:end] + " AND false" + sql[end:]


@pytest.mark.parametrize(("what", "off", "rule"), OFF, ids=[what for what, _, _ in OFF])
async def test_the_books_tell_what_is_off_in_feeding(
    database_url: str, monkeypatch: pytest.MonkeyPatch, what: str, off: Callable[[str], str], rule: str
) -> None:
    database = await Database.connect(database_url, name="mutation", timeout_s=10)
    async with database.begin() as session:
        user = await users.register(session, "anna", None, starting_credits=100)
    play = Play(database, user.id)
    bulk_id, _ = await started(play, 4)
    broken = off(bulk_feeding._FEED_CHUNK)
    assert broken != bulk_feeding._FEED_CHUNK, what
    monkeypatch.setattr(bulk_feeding, "_FEED_CHUNK", broken)
    await fed(database, bulk_id, 0)
    if not rule:  # then the schema stands behind it
        await fed(database, bulk_id, 0)
        with pytest.raises(asyncpg.CheckViolationError):
            await fed(database, bulk_id, 0)
    else:
        async with database.autocommit() as session:
            books = await ledger.audit(session)
        assert rule in {one.rule for one in books.differences}, books
    await database.close()


async def test_without_the_conditional_debit_a_job_is_refused_by_the_schema(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = bulk_jobs._START.replace("AND p.balance >= j.cost", "").replace("AND u.balance >= a.cost ", "")
    assert broken != bulk_jobs._START
    monkeypatch.setattr(bulk_jobs, "_START", broken)
    with pytest.raises(asyncpg.CheckViolationError):
        await started(play, 200)
    assert await play.balance() == (100, 0)


async def test_what_the_feeder_moves_changes_no_balance(play: Play) -> None:
    bulk_id, _ = await started(play, 6, price=3)
    ids = await fed(play.database, bulk_id, 0)
    assert ids is not None
    assert await fed(play.database, bulk_id, 1) is not None
    await play.claim(*ids)
    await play.finish(Finish(ids[0], 1, 1.0, "{}"), Finish(ids[1], 1, 1.0, None, PredictionError("model_error", "no")))
    async with play.database.autocommit() as session:
        found = await balance_changes.last(session, play.user_id, 9)
    assert [(one.kind, one.change, one.count) for one in found] == [
        ("release", 3, 1), ("hold", -18, 1), ("grant", 100, 1),
    ]  # fmt: skip
