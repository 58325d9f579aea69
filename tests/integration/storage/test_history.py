"""Pages of history: bounded in rows, bytes and reading, and all of them together are the whole."""

from __future__ import annotations

import itertools
from uuid import UUID

import pytest

from ml_service.domain.predictions import PredictionError, Status
from ml_service.storage import batches, canceling, history, predictions
from ml_service.storage.finishing import Finish
from ml_service.storage.history import HistoryFilter, Page
from tests.support.play import Play

SIZES = (10, 3000, 20, 9000, 40, 9000, 10, 10, 60_000, 5)


@pytest.fixture
async def many(play: Play) -> Play:
    """Predictions of various sizes, states and sources; a batch among them."""
    for number, size in enumerate(SIZES):
        await play.submit(play.submission(text="x" * size))
        if number % 5 == 4:
            continue
        if number % 3 == 2:
            async with play.database.begin() as session:
                await canceling.cancel(session, play.user_id, play.ids[-1])
            continue
        [claimed] = await play.claim(play.ids[-1])
        error = PredictionError("model_error", "no") if number % 3 else None
        output = None if error else f'{{"text": "{"y" * size}"}}'
        await play.finish(Finish(claimed.id, claimed.attempt, 1.0, output, error))
    await play.submit(play.submission(items=7, batch=True))
    return play


async def walk(play: Play, wanted: HistoryFilter, **bounds: int) -> list[list[UUID]]:
    """The ids of every page."""
    pages: list[list[UUID]] = []
    before: UUID | None = None
    async with play.database.autocommit() as session:
        while True:
            page = await history.history(session, play.user_id, wanted, before=before, **bounds)  # type: ignore[arg-type]
            pages.append([one.id for one in page.items])
            before = page.next_id
            if before is None:
                return pages
            assert len(pages) < 100


FILTERS = [HistoryFilter(), HistoryFilter(model="echo"), HistoryFilter(model="none")] + [
    HistoryFilter((status,)) for status in Status
]
FILTERS += [
    HistoryFilter((Status.QUEUED, Status.PROCESSING)),
    HistoryFilter((Status.FAILED, Status.CANCELED)),
    HistoryFilter((Status.QUEUED, Status.FAILED, Status.SUCCEEDED)),
]


@pytest.mark.parametrize("wanted", FILTERS, ids=str)
async def test_the_pages_are_the_history(many: Play, wanted: HistoryFilter) -> None:
    async with many.database.autocommit() as session:
        found = await predictions.get_many(session, many.ids)
    expected = [
        one
        for one in sorted(many.ids, reverse=True)
        if (not wanted.statuses or found[one].status in wanted.statuses) and wanted.model in {None, found[one].model}
    ]
    for limit, bytes_max, rows_read_max in itertools.product((1, 3, 50), (1, 8000, 10**9), (1, 4, 1000)):
        bounds = {"limit": limit, "bytes_max": bytes_max, "rows_read_max": rows_read_max}
        pages = await walk(many, wanted, **bounds)
        assert [one for page in pages for one in page] == expected, bounds
        assert all(len(page) <= limit for page in pages)


async def test_a_page_ends_where_its_bytes_do(many: Play) -> None:
    async with many.database.autocommit() as session:
        found = await predictions.get_many(session, many.ids)
    for page in await walk(many, HistoryFilter(), limit=50, bytes_max=8000):
        sizes = [len(found[one].input) + len(found[one].output or "") for one in page]
        assert sum(sizes[:-1]) < 8000  # the last one may exceed it, so that there is always one


async def test_a_batch_comes_in_pages_in_its_order(many: Play) -> None:
    batch = many.ids[-7:]
    async with many.database.autocommit() as session:
        batch_id = (await predictions.get_many(session, batch))[batch[0]].batch_id
        assert batch_id is not None
        assert await walk(many, HistoryFilter(batch_id=batch_id), limit=50) == [batch[::-1]]
        assert await walk(many, HistoryFilter(batch_id=batch[0]), limit=50) == [[]]
        got: list[UUID] = []
        page = Page([], UUID(int=0))
        while page.next_id is not None:
            page = await batches.page(session, many.user_id, batch_id, after=page.next_id, bytes_max=20)
            assert len(page.items) <= 2
            got += [one.id for one in page.items]
    assert got == batch


async def test_a_repeated_batch_is_read_without_its_texts(play: Play) -> None:
    await play.submit(play.submission(items=5, batch=True, text="x" * 60_000))
    for one in await play.claim(*play.ids):
        await play.finish(Finish(one.id, one.attempt, 1.0, f'{{"text": "{"y" * 1_000_000}"}}'))
    async with play.database.autocommit() as session:
        batch_id = (await predictions.get_many(session, play.ids[:1]))[play.ids[0]].batch_id
        assert batch_id is not None
        found = await batches.without_texts(session, play.user_id, batch_id)
        assert await batches.without_texts(session, batch_id, batch_id) == []
    assert [one.id for one in found] == play.ids
    assert {one.status for one in found} == {Status.SUCCEEDED}
    assert sum(len(one.input) + len(one.output or "") for one in found) < 100


async def test_some_of_many_are_read_until_their_bytes_end(many: Play) -> None:
    async with many.database.autocommit() as session:
        found = await predictions.get_many(session, many.ids)
        wanted, got = many.ids[::-1], []
        while wanted:
            some = await predictions.get_some(session, wanted, bytes_max=8000)
            assert list(some) == wanted[: len(some)]
            got += list(some)
            wanted = wanted[len(some) :]
    assert got == many.ids[::-1]
    assert all(found[one] is not None for one in got)
