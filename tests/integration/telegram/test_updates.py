"""What Telegram sent, kept by its ids: once, in the order of its chat, by one process at a time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from ml_service.storage import updates
from ml_service.storage.database import Database
from ml_service.storage.updates import Update

BOT = 4242


def update(update_id: int, chat_id: int, event: str | None = None) -> Update:
    return Update(update_id, chat_id, event or f"message:{chat_id}:{update_id}", "{}")


async def test_an_update_is_kept_once_and_handled_in_its_chats_order(bot_database: Database) -> None:
    some = [update(1, 7), update(2, 7), update(3, 8)]
    async with bot_database.autocommit() as session:
        assert await updates.keep(session, BOT, some) == (3, set())
        assert await updates.keep(session, BOT, some + some) == (0, set())
        taken = await updates.take(session, BOT, but_chats=[], limit=10)
        assert sorted(update.update_id for update in taken) == [1, 3]
        assert await updates.take(session, BOT, but_chats=[], limit=10) == []
        await updates.handled(session, BOT, 1)
        taken = await updates.take(session, BOT, but_chats=[], limit=10)
        assert [update.update_id for update in taken] == [2]
        await updates.retry_later(session, BOT, 2, 60)
        assert await updates.take(session, BOT, but_chats=[], limit=10) == []
        await updates.forget_leases(session, BOT, datetime.now(UTC) - timedelta(hours=1))
        assert await updates.take(session, BOT, but_chats=[], limit=10) == [], "taken later than that"
        await updates.forget_leases(session, BOT, datetime.now(UTC) + timedelta(seconds=1))
        taken = await updates.take(session, BOT, but_chats=[], limit=10)
        assert [update.update_id for update in taken] == [3]


async def test_two_processes_take_no_update_twice(bot_database: Database) -> None:
    many = [update(number, number % 50) for number in range(200)]
    async with bot_database.autocommit() as session:
        await updates.keep(session, BOT, many)

    async def work() -> list[Update]:
        mine: list[Update] = []
        while True:
            async with bot_database.autocommit() as session:
                taken = await updates.take(session, BOT, but_chats=[], limit=7)
                for one in taken:
                    await updates.handled(session, BOT, one.update_id)
                mine += taken
                if not await session.fetchval("SELECT count(*) FROM telegram_updates WHERE handled_at IS NULL"):
                    return mine

    async with asyncio.timeout(30):
        seen = [update for done in await asyncio.gather(*(work() for _ in range(4))) for update in done]
    assert sorted(update.update_id for update in seen) == list(range(200))


async def test_an_album_is_handled_once_whatever_process_gets_its_messages(bot_database: Database) -> None:
    def picture(update_id: int, chat_id: int, album: str) -> Update:
        return update(update_id, chat_id, f"message:{chat_id}:{update_id}:None{updates.album_mark(album)}")

    first, second = picture(10, 7, "a"), picture(11, 7, "a")
    others = [picture(12, 7, "aa"), picture(13, 8, "a"), update(14, 7), picture(2**63 - 3, 9, "a")]
    async with bot_database.autocommit() as session:
        await updates.keep(session, BOT, [first, second, *others])

        async def handled() -> list[int]:
            """The updates whose album was handled."""
            asked = [(one, one.event.rpartition(":")[2]) for one in (first, second, *others)]
            return [one.update_id for one, album in asked if await updates.is_album_handled(session, BOT, one, album)]

        assert await handled() == []
        await updates.handled(session, BOT, 11)  # by webhook, the later one may come first
        assert await handled() == [10, 11]
        await updates.handled(session, BOT, 14)
        assert await handled() == [10, 11]


async def test_update_ids_that_restart_are_kept_apart_from_earlier_ones(bot_database: Database) -> None:
    async with bot_database.autocommit() as session:
        await updates.keep(session, BOT, [update(5, 7, "first"), update(6, 8, "waits")])
        (first, _) = sorted(await updates.take(session, BOT, but_chats=[], limit=9), key=lambda one: one.update_id)
        await updates.handled(session, BOT, first.update_id)
        again = [update(5, 9, "second"), update(6, 9, "third"), update(5, 7, "first")]
        assert await updates.keep(session, BOT, again[:2]) == (1, {6})  # the old 6 waits still
        assert await updates.keep(session, BOT, again[:1]) == (0, set())
        (taken,) = await updates.take(session, BOT, but_chats=[], limit=9)
        assert (taken.update_id, taken.chat_id, taken.event) == (5, 9, "second")
        await updates.handled(session, BOT, 6)
        assert await updates.keep(session, BOT, again[1:2]) == (1, set())
