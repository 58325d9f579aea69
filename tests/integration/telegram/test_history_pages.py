"""The history as a chat turns its pages: entries, bounds, and the way forth and back."""

from __future__ import annotations

import base64
import itertools
import json
import random
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from ml_service.domain.errors import NotFound
from ml_service.domain.ids import new_id
from ml_service.domain.predictions import Status
from ml_service.storage.database import Database, Session
from ml_service.storage.finishing import Finish
from ml_service.usecases import telegram
from services.bot.phrases import phrases
from services.bot.views import history
from tests.support.play import Play


async def test_a_batch_is_one_entry_of_the_history(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=100)
    player = Play(play.database, chat.user_id)
    for items in (1, 5, 1, 7):
        await player.submit(player.submission(items=items, batch=items > 1))
    (claimed,) = await player.claim(player.ids[1])
    await player.finish(Finish(claimed.id, claimed.attempt, 1.0, "{}"))
    async with bot_database.autocommit() as session:
        page = await telegram.history_page(session, chat, None, size=3)
        assert [(one.total, one.done, one.open) for one in page.entries] == [(7, 0, 7), (0, 0, 0), (5, 1, 4)]
        assert (page.newer_after, page.older_before) == (None, page.entries[-1].prediction.id)
        page = await telegram.history_page(session, chat, None, size=3, before=page.entries[-1].prediction.id)
        assert [one.prediction.id for one in page.entries] == player.ids[:1]
        assert (page.newer_after, page.older_before) == (page.entries[0].prediction.id, None)
        page = await telegram.history_page(session, chat, [Status.SUCCEEDED], size=3)
        assert [one.prediction.id for one in page.entries] == [player.ids[1]]
        assert (page.newer_after, page.older_before) == (None, None)
        batch_id = page.entries[0].prediction.batch_id
        assert batch_id is not None
        found = await telegram.get_batch(session, chat, batch_id)
        assert (found.total, found.done, found.open, found.paid) == (5, 1, 4, 1)
        with pytest.raises(NotFound):
            await telegram.get_batch(session, chat, new_id())


async def test_the_pages_of_a_history_lead_forth_and_back(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=1000)
    player = Play(play.database, chat.user_id)
    entries: list[list[UUID]] = []  # the ids of each entry
    for items in (1, 4, 1, 1, 9, 2, 1, 1, 1, 3, 1, 1, 1):
        before = len(player.ids)
        await player.submit(player.submission(items=items, batch=items > 1))
        entries.append(player.ids[before:])
    for number, id_ in enumerate(player.ids):
        if number % 3 == 0:
            (claimed,) = await player.claim(id_)
            await player.finish(Finish(claimed.id, claimed.attempt, 1.0, "{}"))
    done = set(player.ids[::3])
    for statuses, wanted in ((None, set(player.ids)), ([Status.SUCCEEDED], done)):
        newest = [max(wanted.intersection(ids)) for ids in entries if wanted.intersection(ids)][::-1]
        for size in (1, 2, 5, 50):
            async with bot_database.autocommit() as session:
                page = await telegram.history_page(session, chat, statuses, size=size)
                forth = [[one.prediction.id for one in page.entries]]
                while page.older_before is not None:
                    page = await telegram.history_page(session, chat, statuses, size=size, before=forth[-1][-1])
                    forth.append([one.prediction.id for one in page.entries])
                assert [id_ for ids in forth for id_ in ids] == newest
                back = [forth[-1]]
                while back[-1][0] != newest[0]:
                    page = await telegram.history_page(session, chat, statuses, size=size, after=back[-1][0])
                    back.append([one.prediction.id for one in page.entries])
                assert back[::-1] == forth


OPEN = ["queued", "processing"]
FAILED = ["failed", "canceled", "expired"]
FILTERS: list[list[str] | None] = [None, ["succeeded"], OPEN, FAILED, ["succeeded", "canceled"]]


@dataclass
class Line:
    """A prediction of a made-up history, by what it belongs to: a name of a bulk job or a batch, or nothing."""

    id: UUID
    of: str | None
    status: str


def lines_of(chance: random.Random) -> list[Line]:
    """Singles between the lines of two bulk jobs, which overlap; among them batches, each of which lies together."""
    found: list[tuple[str | None, str]] = []
    for number in range(12):
        jobs = [name for name, first in (("job 1", 1), ("job 2", 4)) if first <= number < first + 6]
        if number % 4 == 2:
            found += [(f"batch {number}", chance.choice(["succeeded", "failed", "queued"])) for _ in range(4)]
        for _ in range(chance.randrange(1, 12)):
            status = "failed" if "job 1" in jobs and number > 3 else chance.choice(["succeeded", "succeeded", *FAILED])
            found.append((chance.choice([*jobs, *jobs, *jobs, None]), status))
    found += [("job 2", chance.choice(["succeeded", "processing"])) for _ in range(3)]
    return [Line(UUID(int=(7 << 76) + place), of, status) for place, (of, status) in enumerate(found, 1)]


async def store(session: Session, user_id: UUID, stored: list[Line]) -> None:
    names = sorted({one.of for one in stored if one.of is not None})
    batch_ids = {name: UUID(int=place) for place, name in enumerate(names, 1)}
    for one in stored:
        has_ended = one.status not in OPEN
        await session.execute(
            "INSERT INTO predictions (id, user_id, model, version, status, source, cost, input, batch_id, attempts,"
            " worker_id, started_at, finished_at, output, error_code)"
            " VALUES ($1, $2, 'echo', '1', $3, 'api', 1, '{}', $4, 1, 'w', now(), $5, $6, $7)",
            one.id,
            user_id,
            one.status,
            batch_ids[one.of] if one.of else None,
            datetime.now(UTC) if has_ended else None,
            "{}" if one.status == "succeeded" else None,
            one.status if one.status in FAILED else None,
        )
    for name in names:
        lines = [one for one in stored if one.of == name]
        counts = Counter(one.status for one in lines)
        await session.execute(
            "INSERT INTO batches (id, user_id, source, size, cost, first_id, last_id)"
            " VALUES ($1, $2, 'api', $3, 1, $4, $5)",
            batch_ids[name],
            user_id,
            len(lines),
            lines[0].id,
            lines[-1].id,
        )
        if name.startswith("job"):
            has_ended = not any(counts[status] for status in OPEN)
            await session.execute(
                "INSERT INTO bulk_jobs (id, user_id, source, model, version, pool, price_credits, status, lines,"
                " succeeded, failed, canceled, started_at, finished_at)"
                " VALUES ($1, $2, 'api', 'echo', '1', 'default', 1, $3, $4, $5, $6, $7, now(), $8)",
                batch_ids[name],
                user_id,
                "finished" if has_ended else "running",
                len(lines),
                counts["succeeded"],
                counts["failed"] + counts["expired"],
                counts["canceled"],
                datetime.now(UTC) if has_ended else None,
            )


def entries_of(stored: list[Line], statuses: list[str] | None) -> dict[UUID, tuple[int, int, int]]:
    """What the pages are to show, newest first: the prediction, and the batch's total, done and open."""
    found: dict[UUID, tuple[int, int, int]] = {}
    for name in {one.of or str(one.id) for one in stored}:
        lines = [one for one in stored if name in (one.of, str(one.id))]
        wanted = [one.id for one in lines if statuses is None or one.status in statuses]
        if wanted:
            done, open_ = (sum(one.status in of for one in lines) for of in (["succeeded"], OPEN))
            is_single = lines[0].of is None
            place = lines[-1].id if name.startswith("job") else wanted[-1]
            found[place] = (0, 0, 0) if is_single else (len(lines), done, open_)
    return dict(sorted(found.items(), reverse=True))


@pytest.mark.parametrize("seed", range(4))
async def test_short_readings_lead_forth_and_back_without_losing_or_repeating_an_entry(
    database_url: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(telegram, "LOOKING_S_MAX", -1)  # a page is one reading
    stored = lines_of(random.Random(seed))
    database = await Database.connect(database_url, name="test", timeout_s=60)
    async with database.autocommit() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=0)
        await store(session, chat.user_id, stored)
        for statuses, size, rows_read_max in itertools.product(FILTERS, (1, 3), (2, 7, 5000)):
            newest = entries_of(stored, statuses)
            page = partial(telegram.history_page, session, chat, statuses, size=size, rows_read_max=rows_read_max)
            pages = [await page()]
            while pages[-1].older_before is not None:
                pages.append(await page(before=pages[-1].older_before))
                assert len(pages) < 2 * len(stored)
            forth = [one for shown in pages for one in shown.entries]
            assert [one.prediction.id for one in forth] == list(newest)
            assert {one.prediction.id: (one.total, one.done, one.open) for one in forth} == newest
            first, at = pages[0], pages[-1]
            back = at.entries[::-1]
            while at.newer_after is not None:
                at = await page(after=at.newer_after)
                back += [] if at.newer_after is None else at.entries[::-1]
            assert [one.prediction.id for one in back] == list(newest)[::-1][: len(back)]
            assert at == first
    await database.close()


async def test_a_page_of_the_history_is_bounded_in_bytes(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=100)
    player = Play(play.database, chat.user_id)
    texts = ["short", "ж" * 32_000, "ж" * 40_000, "x" * 2_000_000]
    for text in texts:
        await player.submit(player.submission(text=text))
        (claimed,) = await player.claim(player.ids[-1])
        await player.finish(Finish(claimed.id, claimed.attempt, 1.0, json.dumps({"label": text}, ensure_ascii=False)))
    async with bot_database.autocommit() as session:
        page = await telegram.history_page(session, chat, None, size=5)
    shown = [one.prediction for one in reversed(page.entries)]
    assert [json.loads(one.input)["text"] for one in shown] == [*texts[:2], "ж" * 200, "x" * 200]
    assert [one.output and json.loads(one.output)["label"] for one in shown] == [*texts[:2], None, None]
    async with bot_database.autocommit() as session:
        whole = await telegram.get(session, chat, player.ids[-1])
    assert json.loads(whole.input)["text"] == texts[-1]


async def test_a_long_input_without_a_text_is_shown_by_what_it_has(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=100)
    player = Play(play.database, chat.user_id)
    picture = {"image": base64.b64encode(bytes(range(256)) * 400).decode()}
    asked: list[dict[str, Any]] = [
        picture,
        {"name": "Anna", "history": ["bought a lamp"] * 9000},
        {"text": ["a" * 99_999]},
    ]
    for value in asked:
        await player.submit(player.submission())
        async with play.database.autocommit() as session:
            await session.execute("UPDATE predictions SET input = $2 WHERE id = $1", player.ids[-1], json.dumps(value))
    async with bot_database.autocommit() as session:
        page = await telegram.history_page(session, chat, None, size=5)
    view = history.history(phrases("en"), page, wanted="all", page=0)
    lines = view.text.splitlines()[2:]
    assert "null" not in view.text
    assert "📎 file, 102.4" in lines[2]
    assert '{"name": "Anna", "history": ["bought a lamp"' in lines[1]
    assert '{"text": ["aaa' in lines[0]
