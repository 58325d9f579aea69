"""What the bot received and owes, and whose account pays: on a real database, as the bot's own role."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from ml_service.domain.errors import InvalidInput, TooManyRequests
from ml_service.domain.predictions import PredictionError, Status
from ml_service.storage import ledger, telegram_work
from ml_service.storage.database import Database
from ml_service.storage.predictions import Finish
from ml_service.storage.telegram import set_blocked
from ml_service.storage.telegram_work import Update
from ml_service.usecases import telegram
from tests.integration.conftest import Play

BOT = 4242


@pytest.fixture
async def bot_database(database: Database, database_url: str) -> AsyncIterator[Database]:  # noqa: ARG001  the books are checked after it
    """The database as the bot sees it."""
    made = await Database.connect(database_url.replace("postgres@", "ml_service_bot@"), name="bot", timeout_s=10)
    yield made
    await made.close()


async def test_a_chat_gets_one_account_with_credits_once(bot_database: Database) -> None:
    async def arrive() -> telegram.Chat:
        async with bot_database.begin() as session:
            return await telegram.ensure_chat(session, 7, "ru", starting_credits=100)

    chats = await asyncio.gather(*(arrive() for _ in range(6)))
    assert len({chat.user_id for chat in chats}) == 1
    async with bot_database.autocommit() as session:
        balance = await ledger.balance(session, chats[0].user_id)
    assert balance is not None
    assert balance.balance == 100


async def test_a_code_joins_once_and_the_balance_follows(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=30)
        other = await telegram.ensure_chat(session, 8, "en", starting_credits=30)
    async with play.database.begin() as session:
        made = await telegram.issue_code(session, play.user_id)
    assert len(made.code) * 6 >= 64
    async with bot_database.autocommit() as session:
        username, code_hash = await telegram.look_at_code(session, made.code)
        assert username == "anna"
        assert await telegram.look_at_code(session, made.code) == (username, code_hash)  # looking uses nothing up
    for _ in range(2):  # the same chat's repetition after a crash
        async with bot_database.begin() as session:
            chat, _moved = await telegram.link(session, chat, code_hash)
    assert (chat.user_id, chat.username, chat.is_linked) == (play.user_id, "anna", True)
    with pytest.raises(InvalidInput):
        async with bot_database.begin() as session:
            await telegram.link(session, other, code_hash)
    with pytest.raises(InvalidInput):
        async with bot_database.autocommit() as session:
            await telegram.look_at_code(session, made.code)
    assert await play.balance() == (130, 0)
    books = await play.books()
    assert books.is_clean


async def test_what_comes_back_later_follows_too(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=30)
    player = Play(play.database, chat.user_id)
    await player.submit(player.submission(cost=5))
    async with play.database.begin() as session:
        made = await telegram.issue_code(session, play.user_id)
    async with bot_database.begin() as session:
        _, code_hash = await telegram.look_at_code(session, made.code)
        _, moved = await telegram.link(session, chat, code_hash)
    assert moved == 25
    (claimed,) = await player.claim(*player.ids)
    await player.finish(
        Finish(claimed.id, claimed.attempt, "1", 1.0, None, error=PredictionError("model_error", "It failed."))
    )
    async with bot_database.begin() as session:
        await telegram.ensure_chat(session, 7, "en", starting_credits=30)
    assert await play.balance() == (130, 0)
    assert await player.balance() == (0, 0)


async def test_a_code_ends_after_ten_minutes_at_most(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=30)
    async with play.database.begin() as session:
        made = await telegram.issue_code(session, play.user_id)
        _, code_hash = await telegram.look_at_code(session, made.code)
        assert await session.fetchval("SELECT expires_at <= now() + interval '10 min' FROM telegram_link_codes")
    async with play.database.begin() as session:
        await session.execute("UPDATE telegram_link_codes SET expires_at = now()")
    for attempt in (lambda s: telegram.look_at_code(s, made.code), lambda s: telegram.link(s, chat, code_hash)):
        with pytest.raises(InvalidInput):
            async with bot_database.begin() as session:
                await attempt(session)
    assert await play.balance() == (100, 0)


async def test_codes_are_limited(play: Play) -> None:
    with pytest.raises(TooManyRequests):
        for _ in range(12):
            async with play.database.begin() as session:
                await telegram.issue_code(session, play.user_id)


async def test_an_update_is_kept_once_and_handled_in_its_chats_order(bot_database: Database) -> None:
    updates = [Update(1, 7, "{}"), Update(2, 7, "{}"), Update(3, 8, "{}")]
    async with bot_database.autocommit() as session:
        assert await telegram_work.keep_updates(session, BOT, updates) == 3
        assert await telegram_work.keep_updates(session, BOT, updates) == 0
        taken = await telegram_work.take_updates(session, BOT, but_chats=[], limit=10)
        assert sorted(update.update_id for update in taken) == [1, 3]
        assert await telegram_work.take_updates(session, BOT, but_chats=[], limit=10) == []
        await telegram_work.update_handled(session, BOT, 1)
        taken = await telegram_work.take_updates(session, BOT, but_chats=[], limit=10)
        assert [update.update_id for update in taken] == [2]
        await telegram_work.put_update_off(session, BOT, 2, 60)
        assert await telegram_work.take_updates(session, BOT, but_chats=[], limit=10) == []
        await telegram_work.forget_leases(session, BOT)
        taken = await telegram_work.take_updates(session, BOT, but_chats=[], limit=10)
        assert [update.update_id for update in taken] == [3]


async def test_two_processes_take_no_update_twice(bot_database: Database) -> None:
    updates = [Update(number, number % 50, "{}") for number in range(200)]
    async with bot_database.autocommit() as session:
        await telegram_work.keep_updates(session, BOT, updates)

    async def work() -> list[Update]:
        mine: list[Update] = []
        while True:
            async with bot_database.autocommit() as session:
                taken = await telegram_work.take_updates(session, BOT, but_chats=[], limit=7)
                for update in taken:
                    await telegram_work.update_handled(session, BOT, update.update_id)
                mine += taken
                if not await session.fetchval("SELECT count(*) FROM telegram_updates WHERE handled_at IS NULL"):
                    return mine

    async with asyncio.timeout(30):
        seen = [update for done in await asyncio.gather(*(work() for _ in range(4))) for update in done]
    assert sorted(update.update_id for update in seen) == list(range(200))


async def test_an_answer_is_due_when_it_has_come_and_the_chat_can_be_written_to(
    bot_database: Database, play: Play
) -> None:
    async with bot_database.begin() as session:
        await telegram.ensure_chat(session, 7, "en", starting_credits=0)
    await play.submit(play.submission(), play.submission())
    first, second = play.ids
    async with bot_database.autocommit() as session:
        for id_ in play.ids:
            await telegram_work.owe(session, id_, 7, 1, is_batch=False)
        assert await telegram_work.take_due(session, but_chats=[], limit=9) == []
        await telegram_work.accepted_shown(session, first, 55)
        await telegram_work.accepted_shown(session, second, 56)
        assert await telegram_work.take_due(session, but_chats=[], limit=9) == []  # nobody has answered yet
    claimed = await play.claim(first, second)
    await play.finish(*(Finish(one.id, one.attempt, "1", 1.0, "{}") for one in claimed))
    async with bot_database.autocommit() as session:
        await set_blocked(session, 7)
        assert await telegram_work.take_due(session, but_chats=[], limit=9) == []
    async with bot_database.begin() as session:
        await telegram.ensure_chat(session, 7, "en", starting_credits=0)  # the person writes again
    async with bot_database.autocommit() as session:
        (owed,) = await telegram_work.take_due(session, but_chats=[], limit=9)
        assert (owed.id, owed.message_id) == (first, 55)
        await telegram_work.notified(session, first)
        (owed,) = await telegram_work.take_due(session, but_chats=[], limit=9)
        assert owed.id == second
        await telegram_work.notified(session, second)
        again = await telegram_work.owe(session, first, 7, 1, is_batch=False)
        assert again.is_notified
        assert await telegram_work.count_owed(session, 10) == 0


async def test_an_answer_belongs_to_who_took_it_last(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        await telegram.ensure_chat(session, 7, "en", starting_credits=0)
    await play.submit(play.submission())
    (id_,) = play.ids
    (claimed,) = await play.claim(id_)
    await play.finish(Finish(id_, claimed.attempt, "1", 1.0, "{}"))
    async with bot_database.autocommit() as session:
        await telegram_work.owe(session, id_, 7, 1, is_batch=False)
        await telegram_work.accepted_shown(session, id_, 55)
        (slow,) = await telegram_work.take_due(session, but_chats=[], limit=9)
        assert await telegram_work.still_taken(session, slow)
        await session.execute("UPDATE telegram_notifications SET leased_until = now()")
        (quick,) = await telegram_work.take_due(session, but_chats=[], limit=9)
        assert not await telegram_work.still_taken(session, slow)
        await telegram_work.put_answer_off(session, slow, 0)  # not its own any more
        assert await telegram_work.take_due(session, but_chats=[], limit=9) == []
        assert await telegram_work.still_taken(session, quick)
        await telegram_work.notified(session, id_)
        assert not await telegram_work.still_taken(session, quick)


async def test_a_batch_is_due_when_all_of_it_has_ended(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        await telegram.ensure_chat(session, 7, "en", starting_credits=0)
    batch = play.submission(items=2, batch=True)
    assert batch.batch_id is not None
    await play.submit(batch)
    async with bot_database.autocommit() as session:
        await telegram_work.owe(session, batch.batch_id, 7, 1, is_batch=True)
        await telegram_work.accepted_shown(session, batch.batch_id, 55)
        first, second = await play.claim(*play.ids)
        await play.finish(Finish(first.id, first.attempt, "1", 1.0, "{}"))
        assert await telegram_work.take_due(session, but_chats=[], limit=9) == []
        await play.finish(Finish(second.id, second.attempt, "1", 1.0, "{}"))
        (owed,) = await telegram_work.take_due(session, but_chats=[], limit=9)
        assert (owed.id, owed.is_batch) == (batch.batch_id, True)


async def test_looking_around(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=10)
        player = Play(play.database, chat.user_id)
    for _ in range(3):
        await player.submit(player.submission())
    async with bot_database.autocommit() as session:
        page, more = await telegram.history_page(session, chat, None, page=0, size=2)
        assert ([one.id for one in page], more) == (player.ids[:0:-1], True)
        page, more = await telegram.history_page(session, chat, [Status.QUEUED], page=1, size=2)
        assert ([one.id for one in page], more) == (player.ids[:1], False)
        assert (await telegram.get(session, chat, player.ids[0])).id == player.ids[0]
        assert await telegram.wait_s(session, "echo", workers=1, batch_size=1) == 1
        assert await telegram.recent_failures(session, seconds=60, limit=5) == []


async def test_the_bots_role_can_do_no_more_than_it_must(bot_database: Database) -> None:
    for statement in (
        "SELECT password_hash FROM users",
        "SELECT refresh_hash FROM sessions",
        "UPDATE users SET is_admin = true",
        "INSERT INTO users (id, username, username_key, is_admin) VALUES (gen_random_uuid(), 'a', 'a', true)",
        "DELETE FROM transactions",
        "UPDATE transactions SET amount = 0",
        "UPDATE models SET price_credits = 0",
        "INSERT INTO telegram_link_codes (code_hash, user_id, expires_at) VALUES ('a', gen_random_uuid(), now())",
    ):
        async with bot_database.autocommit() as session:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await session.execute(statement)
