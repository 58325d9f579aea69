"""What the bot received and owes, and whose account pays: on a real database, as the bot's own role."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from ml_service.domain.bulk import Chunk
from ml_service.domain.errors import Blocked, InvalidInput, TooManyRequests
from ml_service.domain.ids import new_id
from ml_service.domain.ledger import COMMAND_LINE
from ml_service.domain.predictions import PredictionError, Source, Status
from ml_service.storage import alerts, balance_changes, bulk_feeding, bulk_jobs, chat_deliveries, chats, ledger
from ml_service.storage.chats import set_blocked
from ml_service.storage.database import Database
from ml_service.storage.finishing import Finish
from ml_service.usecases import bulk, telegram
from ml_service.usecases import ledger as credits_
from tests.support.play import Play


async def test_a_chat_gets_one_account_with_credits_once(bot_database: Database) -> None:
    async def arrive() -> telegram.Chat:
        async with bot_database.begin() as session:
            return await telegram.ensure_chat(session, 7, "ru", starting_credits=100)

    found = await asyncio.gather(*(arrive() for _ in range(6)))
    assert len({chat.user_id for chat in found}) == 1
    async with bot_database.autocommit() as session:
        balance = await ledger.balance(session, found[0].user_id)
    assert balance is not None
    assert balance.balance == 100


async def bought(bot_database: Database, chat_id: int, amount: int) -> telegram.Chat:
    """A chat whose account has bought credits, beside 30 that it was granted."""
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, chat_id, "en", starting_credits=30)
        await credits_.top_up(session, chat.user_id, amount, COMMAND_LINE)
        return await telegram.ensure_chat(session, chat_id, "en", starting_credits=30)


async def test_a_code_joins_once_and_bought_credits_follow(bot_database: Database, play: Play) -> None:
    chat, other = await bought(bot_database, 7, 20), await bought(bot_database, 8, 20)
    principal = await play.principal()
    async with play.database.begin() as session:
        made = await telegram.issue_code(session, principal)
    assert len(made.code) * 6 >= 64
    async with bot_database.autocommit() as session:
        username, code_hash = await telegram.look_at_code(session, made.code)
        assert username == "anna"
        assert await telegram.look_at_code(session, made.code) == (username, code_hash)  # looking uses nothing up
    for _ in range(2):  # the same chat's repetition after a crash
        async with bot_database.begin() as session:
            chat, moved = await telegram.link(session, chat, code_hash)
        assert moved == 20
    assert (chat.user_id, chat.username, chat.is_linked) == (play.user_id, "anna", True)
    with pytest.raises(InvalidInput):
        async with bot_database.begin() as session:
            await telegram.link(session, other, code_hash)
    with pytest.raises(InvalidInput):
        async with bot_database.autocommit() as session:
            await telegram.look_at_code(session, made.code)
    assert await play.balance() == (120, 0)
    assert await Play(play.database, chat.own_user_id).balance() == (30, 0)  # the grant stays
    books = await play.books()
    assert books.is_clean


async def test_credits_released_later_follow_to_the_linked_account(bot_database: Database, play: Play) -> None:
    chat = await bought(bot_database, 7, 20)
    player = Play(play.database, chat.user_id)
    await player.submit(player.submission(cost=35))  # the grant first, then 5 of what was bought
    principal = await play.principal()
    async with play.database.begin() as session:
        made = await telegram.issue_code(session, principal)
    async with bot_database.begin() as session:
        _, code_hash = await telegram.look_at_code(session, made.code)
        _, moved = await telegram.link(session, chat, code_hash)
    assert moved == 15
    (claimed,) = await player.claim(*player.ids)
    await player.finish(
        Finish(claimed.id, claimed.attempt, 1.0, None, error=PredictionError("model_error", "It failed."))
    )
    async with bot_database.begin() as session:
        await telegram.ensure_chat(session, 7, "en", starting_credits=30)
        moves = await session.fetch("SELECT amount, reason FROM transactions WHERE kind = 'transfer' ORDER BY id")
    assert await play.balance() == (120, 0)
    assert await player.balance() == (30, 0)
    # The ledger outlives both accounts, so it names no chat.
    assert [tuple(one) for one in moves] == [(amount, "connected to Telegram") for amount in (-15, 15, -5, 5)]


async def test_a_code_ends_after_ten_minutes_at_most(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=30)
    principal = await play.principal()
    async with play.database.begin() as session:
        made = await telegram.issue_code(session, principal)
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
    principal = await play.principal()
    with pytest.raises(TooManyRequests):
        for _ in range(12):
            async with play.database.begin() as session:
                await telegram.issue_code(session, principal)


async def test_a_delivery_is_due_once_the_answer_exists_and_the_chat_is_reachable(
    bot_database: Database, play: Play
) -> None:
    async with bot_database.begin() as session:
        await telegram.ensure_chat(session, 7, "en", starting_credits=0)
    await play.submit(play.submission(), play.submission())
    first, second = play.ids
    async with bot_database.autocommit() as session:
        owed = [await chat_deliveries.add(session, id_, play.user_id, 7, 1, None, is_batch=False) for id_ in play.ids]
        assert await chat_deliveries.take_due(session, but_chats=[], limit=9) == []
        await chat_deliveries.let_go(session, owed[0].id, 55)
        await chat_deliveries.let_go(session, owed[1].id, 56)
        assert await chat_deliveries.take_due(session, but_chats=[], limit=9) == []  # nobody has answered yet
    claimed = await play.claim(first, second)
    await play.finish(*(Finish(one.id, one.attempt, 1.0, "{}") for one in claimed))
    async with bot_database.autocommit() as session:
        await set_blocked(session, 7)
        assert await chat_deliveries.take_due(session, but_chats=[], limit=9) == []
    async with bot_database.begin() as session:
        await telegram.ensure_chat(session, 7, "en", starting_credits=0)  # the person writes again
    async with bot_database.autocommit() as session:
        (taken,) = await chat_deliveries.take_due(session, but_chats=[], limit=9)
        assert (taken.subject_id, taken.message_id) == (first, 55)
        await chat_deliveries.delivered(session, taken.id)
        (taken,) = await chat_deliveries.take_due(session, but_chats=[], limit=9)
        assert taken.subject_id == second
        await chat_deliveries.delivered(session, taken.id)
        again = await chat_deliveries.add(session, first, play.user_id, 7, 1, None, is_batch=False)
        assert again.is_delivered
        assert await chat_deliveries.count_open(session, 10) == 0


async def test_what_is_owed_waits_longer_for_its_chat_than_what_was_told_is_kept(
    bot_database: Database, database: Database, play: Play
) -> None:
    async with bot_database.begin() as session:
        await telegram.ensure_chat(session, 7, "en", starting_credits=0)
    await play.submit(play.submission(), play.submission())
    async with bot_database.autocommit() as session:
        told, owed = [
            await chat_deliveries.add(session, id_, play.user_id, 7, 1, None, is_batch=False) for id_ in play.ids
        ]
        await chat_deliveries.delivered(session, told.id)
    for days, left in ((15, [owed.id]), (91, [])):
        async with database.autocommit() as session:
            await session.execute("UPDATE deliveries SET created_at = now() - $1 * interval '1 day'", days)
        async with bot_database.autocommit() as session:
            await chat_deliveries.purge(session)
            assert [row["id"] for row in await session.fetch("SELECT id FROM deliveries")] == left


async def test_a_delivery_belongs_to_the_process_that_took_it_last(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        await telegram.ensure_chat(session, 7, "en", starting_credits=0)
    await play.submit(play.submission())
    (id_,) = play.ids
    (claimed,) = await play.claim(id_)
    await play.finish(Finish(id_, claimed.attempt, 1.0, "{}"))
    async with bot_database.autocommit() as session:
        owed = await chat_deliveries.add(session, id_, play.user_id, 7, 1, None, is_batch=False)
        await chat_deliveries.let_go(session, owed.id, 55)
        (slow,) = await chat_deliveries.take_due(session, but_chats=[], limit=9)
        assert await chat_deliveries.still_held(session, slow)
        await session.execute("UPDATE deliveries SET leased_until = now()")
        (quick,) = await chat_deliveries.take_due(session, but_chats=[], limit=9)
        assert not await chat_deliveries.still_held(session, slow)
        await chat_deliveries.retry_later(session, slow, 0)  # not its own any more
        assert await chat_deliveries.take_due(session, but_chats=[], limit=9) == []
        assert await chat_deliveries.still_held(session, quick)
        await chat_deliveries.delivered(session, quick.id)
        assert not await chat_deliveries.still_held(session, quick)


async def test_a_batch_is_due_when_all_of_it_has_ended(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        await telegram.ensure_chat(session, 7, "en", starting_credits=0)
    batch = play.submission(items=2, batch=True)
    assert batch.batch_id is not None
    await play.submit(batch)
    async with bot_database.autocommit() as session:
        owed = await chat_deliveries.add(session, batch.batch_id, play.user_id, 7, 1, None, is_batch=True)
        await chat_deliveries.let_go(session, owed.id, 55)
        first, second = await play.claim(*play.ids)
        await play.finish(Finish(first.id, first.attempt, 1.0, "{}"))
        assert await chat_deliveries.take_due(session, but_chats=[], limit=9) == []
        await play.finish(Finish(second.id, second.attempt, 1.0, "{}"))
        (taken,) = await chat_deliveries.take_due(session, but_chats=[], limit=9)
        assert (taken.subject_id, taken.is_batch) == (batch.batch_id, True)


async def test_an_answer_deleted_by_retention_is_still_reported_to_its_chat(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        await telegram.ensure_chat(session, 7, "en", starting_credits=0)
    async with bot_database.autocommit() as session:
        for is_batch in (False, True):
            owed = await chat_deliveries.add(session, new_id(), play.user_id, 7, 1, None, is_batch=is_batch)
            await chat_deliveries.let_go(session, owed.id, 55)
            (taken,) = await chat_deliveries.take_due(session, but_chats=[], limit=9)
            await chat_deliveries.delivered(session, taken.id)


async def test_a_batch_is_canceled_whole_and_its_credits_come_back(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=50)
    player = Play(play.database, chat.user_id)
    batch = player.submission(items=5, batch=True, cost=2)
    assert batch.batch_id is not None
    await player.submit(batch)
    (claimed,) = await player.claim(player.ids[0])
    await player.finish(Finish(claimed.id, claimed.attempt, 1.0, "{}"))
    assert await telegram.cancel_batch(bot_database, chat, batch.batch_id) == 4
    assert await telegram.cancel_batch(bot_database, chat, batch.batch_id) == 0
    assert await player.balance() == (48, 0)
    async with bot_database.autocommit() as session:
        changes = await balance_changes.last(session, chat.user_id, 9)
    assert sorted((one.kind, one.change, one.count) for one in changes if one.kind != "release") == [
        ("grant", 50, 1), ("hold", -10, 5),
    ]  # fmt: skip
    assert sum(one.change for one in changes) == 48


async def test_what_is_said_to_be_canceled_of_a_bulk_job_is_what_was_canceled(
    bot_database: Database, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=50)
    player, bulk_id = Play(play.database, chat.user_id), new_id()
    async with bot_database.begin() as session:
        assert await bulk_jobs.create(
            session,
            bulk_id,
            chat.user_id,
            Source.TELEGRAM,
            model="echo",
            version="1",
            pool="default",
            price_credits=1,
            open_max=9,
        )
        for number in range(4):
            lines: list[int] = [number * 3 + place for place in (1, 2, 3)]
            await bulk_jobs.add_chunk(session, bulk_id, number, Chunk(lines, [None] * 3, ["{}"] * 3, [None] * 3))
        await bulk_jobs.start(
            session, bulk_id, chat.user_id, key=None, fingerprint=b"", notifies_chats=False, chat_id=None
        )

    async def feed(number: int) -> list[UUID]:
        ids = [new_id() for _ in range(3)]
        async with play.database.autocommit() as session:
            assert await bulk_feeding.feed(session, bulk_id, number, ids) == 3
        return ids

    (claimed,) = await player.claim((await feed(0))[0])
    await player.finish(Finish(claimed.id, claimed.attempt, 1.0, "{}"))
    await feed(1)
    get, cancel_open = bulk_jobs.get, bulk.cancel_open

    async def get_and_feed(*args: Any) -> Any:  # the feeder goes on between the reading and the stop
        monkeypatch.setattr(bulk_jobs, "get", get)
        found = await get(*args)
        await feed(2)
        return found

    async def cancel_as_the_feeder_does(*args: Any) -> int:
        async with play.database.begin() as session:
            assert await bulk_jobs.cancel_some(session, chat.user_id, bulk_id, 4) == 4
        return await cancel_open(*args)

    monkeypatch.setattr(bulk_jobs, "get", get_and_feed)
    monkeypatch.setattr(bulk, "cancel_open", cancel_as_the_feeder_does)
    assert await telegram.cancel_batch(bot_database, chat, bulk_id) == 11
    monkeypatch.setattr(bulk, "cancel_open", cancel_open)
    assert await telegram.cancel_batch(bot_database, chat, bulk_id) == 0
    assert await player.balance() == (49, 0)


async def test_each_admin_gets_an_alert_once_and_its_end_once(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        for chat_id in (7, 8, 9):
            await telegram.ensure_chat(session, chat_id, "en", starting_credits=0)
    async with play.database.begin() as session:
        await session.execute("UPDATE users SET is_admin = true WHERE username IN ('telegram_7', 'telegram_8')")
    async with bot_database.autocommit() as session:
        raised_at = await alerts.begin(session, "x")
        assert await alerts.begin(session, "x") == raised_at == await alerts.raised_at(session, "x")
        assert [chat for chat, _ in await alerts.untold_admins(session, "x")] == [7, 8]
        await alerts.told(session, "x", raised_at, 7)
        assert [chat for chat, _ in await alerts.untold_admins(session, "x")] == [8]
        assert [chat for chat, _ in await alerts.told_chats(session, "x")] == [7]
        await alerts.end_told(session, "x", raised_at, 7)
        assert await alerts.told_chats(session, "x") == []
        await alerts.end(session, "x", raised_at)
        await alerts.told(session, "x", raised_at, 8)  # too late
        assert await alerts.told_chats(session, "x") == []


async def test_looking_around(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=10)
        player = Play(play.database, chat.user_id)
    for _ in range(3):
        await player.submit(player.submission())
    async with bot_database.autocommit() as session:
        page = await telegram.history_page(session, chat, None, size=2)
        assert ([one.prediction.id for one in page.entries], page.older_before) == (player.ids[:0:-1], player.ids[1])
        page = await telegram.history_page(session, chat, [Status.QUEUED], size=2, before=player.ids[1])
        assert ([one.prediction.id for one in page.entries], page.older_before) == (player.ids[:1], None)
        assert (await telegram.get(session, chat, player.ids[0])).id == player.ids[0]
        assert await telegram.wait_s(session, "echo", ahead=3, workers=1, batch_size=1) == 1
        assert await telegram.recent_failures(session, seconds=60, limit=5) == []


async def test_the_bots_role_can_do_no_more_than_it_must(bot_database: Database) -> None:
    for statement in (
        "SELECT password_hash FROM users",
        "SELECT refresh_hash FROM sessions",
        "UPDATE users SET is_admin = true",
        "INSERT INTO users (id, username, username_key, is_admin) VALUES (gen_random_uuid(), 'a', 'a', true)",
        "DELETE FROM transactions",
        "UPDATE transactions SET amount = 0",
        "UPDATE models SET price_credits_set = 0",
        "INSERT INTO telegram_link_codes (code_hash, user_id, expires_at) VALUES ('a', gen_random_uuid(), now())",
    ):
        async with bot_database.autocommit() as session:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await session.execute(statement)


async def test_a_blocked_admin_is_none_in_telegram(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        for chat_id in (7, 8):
            await telegram.ensure_chat(session, chat_id, "en", starting_credits=0)
    async with play.database.begin() as session:
        await session.execute("UPDATE users SET is_admin = true WHERE username LIKE 'telegram_%'")
        await session.execute("UPDATE users SET is_blocked = true WHERE username = 'telegram_7'")
    async with bot_database.autocommit() as session:
        await alerts.begin(session, "x")
        assert [chat for chat, _ in await alerts.untold_admins(session, "x")] == [8]
        found = [await chats.get(session, chat_id) for chat_id in (7, 8)]
    assert [chat is not None and chat.is_admin for chat in found] == [False, True]


async def test_a_blocked_users_chat_reads_nothing_until_the_block_ends(bot_database: Database, play: Play) -> None:
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=50)
    player = Play(play.database, chat.user_id)
    batch = player.submission(items=2, batch=True)
    assert batch.batch_id is not None
    await player.submit(batch)

    async def read() -> list[object]:
        async with bot_database.begin() as session:
            now = await telegram.ensure_chat(session, 7, "en", starting_credits=50)
        tries = (
            lambda session: telegram.history_page(session, now, None, size=5),
            lambda session: telegram.get(session, now, player.ids[0]),
            lambda session: telegram.get_batch(session, now, batch.batch_id),
            lambda session: telegram.balance(session, now, changes_max=5),
        )
        found: list[object] = []
        for attempt in tries:
            async with bot_database.autocommit() as session:
                try:
                    await attempt(session)
                    found.append(None)
                except Blocked as error:
                    found.append(error.code)
        return found

    assert await read() == [None] * 4
    async with play.database.begin() as session:
        await session.execute("UPDATE users SET is_blocked = true WHERE id = $1", chat.user_id)
    assert await read() == ["blocked"] * 4
    async with play.database.begin() as session:
        await session.execute("UPDATE users SET is_blocked = false WHERE id = $1", chat.user_id)
    assert await read() == [None] * 4
