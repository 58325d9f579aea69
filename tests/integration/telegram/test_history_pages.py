"""The history as a chat turns its pages: entries, bounds, and the way forth and back."""

from __future__ import annotations

import json
from uuid import UUID

import pytest

from ml_service.domain.errors import NotFound
from ml_service.domain.ids import new_id
from ml_service.domain.predictions import Status
from ml_service.storage.database import Database
from ml_service.storage.finishing import Finish
from ml_service.usecases import telegram
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
        assert (page.has_newer, page.has_older) == (False, True)
        page = await telegram.history_page(session, chat, None, size=3, before=page.entries[-1].prediction.id)
        assert [one.prediction.id for one in page.entries] == player.ids[:1]
        assert (page.has_newer, page.has_older) == (True, False)
        page = await telegram.history_page(session, chat, [Status.SUCCEEDED], size=3)
        assert [one.prediction.id for one in page.entries] == [player.ids[1]]
        assert (page.has_newer, page.has_older) == (False, False)
        batch_id = page.entries[0].prediction.batch_id
        assert batch_id is not None
        assert await telegram.get_batch(session, chat, batch_id) == player.ids[1:6]
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
                while page.has_older:
                    page = await telegram.history_page(session, chat, statuses, size=size, before=forth[-1][-1])
                    forth.append([one.prediction.id for one in page.entries])
                assert [id_ for ids in forth for id_ in ids] == newest
                back = [forth[-1]]
                while back[-1][0] != newest[0]:
                    page = await telegram.history_page(session, chat, statuses, size=size, after=back[-1][0])
                    back.append([one.prediction.id for one in page.entries])
                assert back[::-1] == forth


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
