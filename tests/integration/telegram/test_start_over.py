"""`/delete_me`: what is kept of a person goes, the books stay right, and nobody gets the starting credits twice."""

from __future__ import annotations

import asyncpg
import pytest

from ml_service.background.erasure import Erasure
from ml_service.domain.predictions import Status
from ml_service.storage import chat_deliveries, link_codes, predictions
from ml_service.storage.database import Database
from ml_service.storage.finishing import Finish
from ml_service.usecases import ledger, telegram
from tests.support.play import Play


async def test_deleting_an_account_erases_the_persons_data(
    bot_database: Database, database: Database, play: Play
) -> None:
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, 7, "ru", starting_credits=100)
    player = Play(play.database, chat.user_id)
    for text in ("a secret", "another secret", "an open one"):
        await player.submit(player.submission(text=text))
    for claimed in await player.claim(*player.ids[:2]):
        await player.finish(Finish(claimed.id, claimed.attempt, 1.0, '{"text": "a secret answer"}'))
    async with bot_database.autocommit() as session:
        await chat_deliveries.add(session, player.ids[0], chat.user_id, 7, None, None, is_batch=False)
    async with bot_database.begin() as session:
        await telegram.start_over(session, chat)
    await Erasure(database).run()
    async with database.autocommit() as session:
        found = await predictions.get_many(session, player.ids)
        names = [
            row["username"] for row in await session.fetch("SELECT username FROM users WHERE id = $1", chat.user_id)
        ]
        assert await session.fetch("SELECT FROM deliveries") == []
    assert "secret" not in str(found)
    assert found[player.ids[2]].status is Status.CANCELED
    assert names == [f"deleted-{chat.user_id.hex}"]
    async with bot_database.begin() as session:
        now = await telegram.ensure_chat(session, 7, "en", starting_credits=100)
        assert (now.username, now.language, now.is_linked) == ("telegram_7", "ru", False)
        assert now.user_id != chat.user_id
        assert (await ledger.balance(session, now.user_id)).balance == 0
        page = await telegram.history_page(session, now, None, size=5)
    assert page.entries == []
    async with bot_database.begin() as session:  # and once more
        await telegram.start_over(session, now)


async def test_a_linked_account_stays_and_the_chat_leaves_it(
    bot_database: Database, database: Database, play: Play
) -> None:
    async with bot_database.begin() as session:
        chat = await telegram.ensure_chat(session, 7, "en", starting_credits=10)
    principal = await play.principal()
    async with database.begin() as session:
        made = await telegram.issue_code(session, principal)
    async with bot_database.begin() as session:
        _, code_hash = await telegram.look_at_code(session, made.code)
        linked, _ = await telegram.link(session, chat, code_hash)
        assert linked.user_id == play.user_id
        before = await ledger.balance(session, play.user_id)
        await telegram.start_over(session, linked)
        left = await telegram.ensure_chat(session, 7, "en", starting_credits=10)
        assert not left.is_linked
        assert left.user_id not in (play.user_id, chat.own_user_id)
        assert await ledger.balance(session, play.user_id) == before
        assert await link_codes.linked_user(session, code_hash, 7) == play.user_id


async def test_only_the_bot_may_close_an_account_of_a_chat(bot_database: Database, database_url: str) -> None:
    async with bot_database.autocommit() as session:
        with pytest.raises(asyncpg.NoDataFoundError):
            await session.execute("SELECT close_account_of_chat(404)")
    for role in ("app", "worker"):
        other = await Database.connect(
            database_url.replace("postgres@", f"ml_service_{role}@"), name=role, timeout_s=10
        )
        async with other.autocommit() as session:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await session.execute("SELECT close_account_of_chat(7)")
        await other.close()
