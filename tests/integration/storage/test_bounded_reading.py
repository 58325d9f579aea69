"""What is bounded in bytes reads the texts that it returns, and not all that it might have returned."""

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable, Sized
from uuid import UUID

import pytest

from ml_service.domain.ids import new_id
from ml_service.storage import batches, bulk_results, changes, history, predictions
from ml_service.storage.changes import Position
from ml_service.storage.database import Session
from ml_service.storage.finishing import Finish
from ml_service.storage.history import HistoryFilter
from ml_service.storage.submissions import submit
from tests.support.play import Play

ROWS = 40
TEXT_BYTES = 60_000
CHUNKS_MAX = 6 * TEXT_BYTES // 2000
"""Pieces of stored texts that six of them have."""


class Filled:
    """A batch of predictions with long inputs and outputs that hardly compress."""

    def __init__(self, play: Play, start: str) -> None:
        self.play = play
        self.start = start
        self.ids = play.ids
        self.batch_id: UUID


@pytest.fixture
async def filled(play: Play) -> Filled:
    async with play.database.autocommit() as session:
        start = await session.fetchval("SELECT pg_current_snapshot()::text")
    made = Filled(play, start)
    text = json.dumps([random.random() for _ in range(TEXT_BYTES // 20)])
    asked = play.submission(items=ROWS, batch=True, text=text[1:-1])
    assert asked.batch_id is not None
    made.batch_id = asked.batch_id
    await play.submit(asked)
    claimed = await play.claim(*play.ids)
    await play.finish(*(Finish(one.id, one.attempt, 1.0, f'{{"v": {text}}}') for one in claimed))
    return made


async def chunks_read(session: Session) -> int:
    """Pieces of long texts that the predictions' storage was asked for until now."""
    await session.execute("SELECT pg_stat_force_next_flush()")
    await session.execute("SELECT pg_stat_clear_snapshot()")
    found: int = await session.fetchval(
        "SELECT coalesce(sum(s.idx_tup_fetch), 0)::bigint FROM pg_stat_all_tables AS s JOIN pg_class AS t"
        " ON t.reltoastrelid = s.relid WHERE t.relname LIKE 'predictions%'"
    )
    return found


Read = Callable[[Session, Filled], Awaitable[Sized]]


async def page_of_history(session: Session, filled: Filled) -> Sized:
    page = await history.history(
        session, filled.play.user_id, HistoryFilter(), before=None, limit=ROWS, bytes_max=TEXT_BYTES
    )
    assert page.next_id is not None
    return page.items


async def page_of_batch(session: Session, filled: Filled) -> Sized:
    page = await batches.page(session, filled.play.user_id, filled.batch_id, bytes_max=TEXT_BYTES)
    assert page.next_id is not None
    return page.items


async def some_by_id(session: Session, filled: Filled) -> Sized:
    return await predictions.get_some(session, filled.ids, bytes_max=TEXT_BYTES)


async def results_of_lines(session: Session, filled: Filled) -> Sized:
    return await bulk_results.answers(session, filled.ids, with_inputs=True)


async def changes_of_user(session: Session, filled: Filled) -> Sized:
    [found] = await changes.changes(session, [(filled.play.user_id, Position(filled.start, 0, 0, 0))])
    assert found is not None
    assert found.is_cut
    return found.predictions


@pytest.mark.parametrize("read", [page_of_history, page_of_batch, some_by_id, results_of_lines, changes_of_user])
async def test_texts_beyond_the_bound_are_not_read(filled: Filled, read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk_results, "BYTES_MAX", TEXT_BYTES)
    async with filled.play.database.autocommit() as session:
        before = await chunks_read(session)
        found = await read(session, filled)
        chunks = await chunks_read(session) - before
    assert 1 <= len(found) <= 2
    assert 1 <= chunks <= CHUNKS_MAX


async def test_what_is_open_is_shown_without_reading_long_inputs_beyond_the_bound(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "OPEN_BYTES_MAX", TEXT_BYTES)
    text = json.dumps([random.random() for _ in range(TEXT_BYTES // 20)])
    async with play.database.begin() as session:
        await submit(session, [play.submission(id=new_id(), text=text[1:-1]) for _ in range(ROWS)])
    async with play.database.autocommit() as session:
        before = await chunks_read(session)
        found = await changes.open_now(session, play.user_id)
        chunks = await chunks_read(session) - before
    assert found is not None
    assert found.count == ROWS
    assert 1 <= len(found.predictions) <= 2
    assert 1 <= chunks <= CHUNKS_MAX
