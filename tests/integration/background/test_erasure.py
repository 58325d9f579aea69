"""Erasure of deleted accounts: what was locked, late or large goes too, and no account holds up another."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from types import SimpleNamespace
from uuid import UUID

import asyncpg
import pytest

from ml_service.background import erasure
from ml_service.background.erasure import Erasure
from ml_service.domain.ids import new_id
from ml_service.storage import deleted_accounts
from ml_service.storage.database import Database, Session
from ml_service.storage.finishing import Finish
from ml_service.usecases import account, users
from tests.support.play import Play

ANSWER = '{"text": "a secret answer"}'
PATIENCE_S = 60
BLOCKING = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid)))"


async def ask(play: Play, minutes: float = 0.0) -> UUID:
    """A prediction with the id of one that was accepted so long ago."""
    ms = int((time.time() - 60 * minutes) * 1000)
    id_ = UUID(int=(ms << 80) | (new_id().int & ((1 << 80) - 1)))
    await play.submit(play.submission(id=id_, text="a secret"))
    return id_


async def close(play: Play) -> None:
    async with play.database.begin() as session:
        assert await deleted_accounts.close(session, play.user_id, None)


async def let_time_pass(play: Play) -> None:
    """Nothing that was under way at the deletion can be accepted any more."""
    async with play.database.autocommit() as session:
        await session.execute("UPDATE accounts_to_erase SET deleted_at = deleted_at - interval '11 minutes'")


async def left_of(play: Play) -> list[UUID]:
    """Predictions of the account that are open or have texts."""
    async with play.database.autocommit() as session:
        rows = await session.fetch(
            "SELECT id FROM predictions WHERE user_id = $1"
            " AND (finished_at IS NULL OR concat(input, output, error_message) LIKE '%secret%') ORDER BY id",
            play.user_id,
        )
    return [row["id"] for row in rows]


async def pending(play: Play) -> list[UUID]:
    async with play.database.autocommit() as session:
        return await deleted_accounts.pending(session)


@asynccontextmanager
async def locked(play: Play, sql: str, *arguments: object) -> AsyncIterator[Session]:
    """Rows that another transaction has locked."""
    other = await asyncpg.connect(play.url)
    try:
        async with other.transaction():
            await other.execute(f"{sql} FOR UPDATE", *arguments)
            yield other
    finally:
        await other.close()


@pytest.mark.parametrize("is_answered", [False, True])
async def test_a_prediction_that_was_locked_is_erased_when_it_has_ended(
    play: Play, monkeypatch: pytest.MonkeyPatch, *, is_answered: bool
) -> None:
    monkeypatch.setattr(account, "ERASED_TOGETHER", 2)
    first, second, *_ = [await ask(play, minutes) for minutes in (60, 50, 40, 30, 20)]
    await play.claim(second)
    async with locked(play, "SELECT FROM predictions WHERE id = $1", second):
        await close(play)
        async with asyncio.timeout(PATIENCE_S):  # it ends, although there is something left
            await account.erase(play.database, play.user_id, seconds=math.inf)
        left = await left_of(play)
        assert second in left
        assert first not in left
    if is_answered:
        await play.finish(Finish(second, 1, 1.0, ANSWER))
    await let_time_pass(play)
    await Erasure(play.database).run()
    assert (await left_of(play), await pending(play)) == ([], [])


async def test_an_account_stays_until_what_ended_last_is_erased(play: Play) -> None:
    asked = await ask(play, 60)
    await play.claim(asked)
    await close(play)
    await let_time_pass(play)
    async with play.database.begin() as session:
        assert await deleted_accounts.erase_some(session, play.user_id, 500) == 0
    await play.finish(Finish(asked, 1, 1.0, ANSWER))
    async with play.database.begin() as session:
        await deleted_accounts.finish(session, play.user_id)
    assert (await left_of(play), await pending(play)) == ([asked], [play.user_id])
    await Erasure(play.database).run()
    assert (await left_of(play), await pending(play)) == ([], [])


async def test_one_process_does_not_pass_what_another_goes_back_for(play: Play) -> None:
    async def cancel_and_erase() -> int:
        async with play.database.begin() as session:
            await deleted_accounts.cancel_some(session, play.user_id, 500)
        async with play.database.begin() as session:
            return await deleted_accounts.erase_some(session, play.user_id, 500)

    await ask(play)
    await close(play)
    assert await cancel_and_erase() == 1
    late, newest = await ask(play, 1), await ask(play)
    async with play.database.begin() as session:
        await deleted_accounts.finish(session, play.user_id)
        going_on = asyncio.create_task(cancel_and_erase())
        while not await session.fetchval(BLOCKING):
            await asyncio.sleep(0.02)
    await going_on
    assert newest not in await left_of(play)
    await let_time_pass(play)
    await Erasure(play.database).run()
    assert late not in await left_of(play)
    assert await pending(play) == []


async def test_the_answer_to_an_input_that_was_null_is_erased(play: Play) -> None:
    asked = await ask(play, 60)
    async with play.database.autocommit() as session:
        await session.execute("UPDATE predictions SET input = 'null'")
    await play.claim(asked)
    await play.finish(Finish(asked, 1, 1.0, ANSWER))
    await close(play)
    await Erasure(play.database).run()
    assert await left_of(play) == []


async def test_large_texts_are_erased_in_smaller_pieces(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deleted_accounts, "BYTES_TOGETHER", 1)
    for minutes in (60, 50, 40):
        await ask(play, minutes)
    await close(play)
    async with play.database.begin() as session:
        assert await deleted_accounts.cancel_some(session, play.user_id, 500) == 3
        assert await deleted_accounts.erase_some(session, play.user_id, 500) == 1
    assert len(await left_of(play)) == 2
    await Erasure(play.database).run()
    assert await left_of(play) == []


_JOB_BY_A_KEY = """
    WITH job AS (
        INSERT INTO bulk_jobs (id, user_id, source, model, version, pool, price_credits, status, lines, lines_invalid,
            chunks, chunks_fed, started_at, finished_at, key_id)
        VALUES (gen_random_uuid(), $1, 'api', 'echo', '1', 'default', 1, 'finished', 3, 3, 3, 3, now(), now(),
            gen_random_uuid())
        RETURNING id
    ), held AS (
        INSERT INTO transactions (user_id, kind, amount, bulk_id, actor_kind, actor_id)
        SELECT $1, 'hold', 0, id, 'user', 'test' FROM job
    )
    INSERT INTO bulk_chunks (bulk_id, number, lines, valid, refs, errors, is_settled)
    SELECT id, number, ARRAY[number + 1], 0, ARRAY['a secret'], ARRAY['a secret'], true
    FROM job CROSS JOIN generate_series(0, 2) AS number
"""


async def test_an_account_stays_until_the_lines_of_its_bulk_jobs_are_deleted(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "CHUNKS_TOGETHER", 1)
    async with play.database.autocommit() as session:
        await session.execute(_JOB_BY_A_KEY, play.user_id)
    await close(play)
    await let_time_pass(play)
    for chunks_left in (2, 1, 0):
        assert await pending(play) == [play.user_id]
        await Erasure(play.database).run()
        async with play.database.autocommit() as session:
            assert await session.fetchval("SELECT count(*) FROM bulk_chunks") == chunks_left
    assert await pending(play) == []


@pytest.fixture
async def boris(play: Play) -> Play:
    """Another user."""
    async with play.database.begin() as session:
        user = await users.register(session, "boris", None, starting_credits=100)
    return Play(play.database, user.id, play.url)


async def test_an_account_for_which_the_database_fails_holds_up_no_other(play: Play, boris: Play) -> None:
    for one in (play, boris):
        await ask(one)
        await close(one)
    assert await pending(play) == [play.user_id, boris.user_id]
    impatient = await Database.connect(play.url, name="impatient", timeout_s=4)
    async with locked(play, "SELECT FROM accounts_to_erase WHERE user_id = $1", play.user_id):
        await Erasure(impatient).run()
    await impatient.close()
    assert await left_of(play) != []
    assert await left_of(boris) == []
    await Erasure(play.database).run()
    assert await left_of(play) == []


async def test_a_long_history_lets_other_accounts_have_their_turn(
    play: Play, boris: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account, "ERASED_TOGETHER", 1)
    monkeypatch.setattr(account, "time", SimpleNamespace(monotonic=count().__next__))  # a second for each statement
    monkeypatch.setattr(erasure, "SECONDS_MAX", 10.0)
    for _ in range(20):
        await ask(play)
    await ask(boris)
    for one in (play, boris):
        await close(one)
    await Erasure(play.database).run()
    assert await left_of(boris) == []
    assert len(await left_of(play)) > 10
    for _ in range(5):
        await Erasure(play.database).run()
    assert await left_of(play) == []
