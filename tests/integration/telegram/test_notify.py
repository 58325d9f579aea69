"""The statement that accepts a request writes what chats are owed for it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ml_service.domain.submissions import Receiver
from ml_service.storage import chat_deliveries, chats
from ml_service.storage.chats import Chat
from ml_service.storage.database import Database
from ml_service.storage.finishing import Finish
from ml_service.usecases import telegram
from tests.support.play import Play

TELEGRAM = frozenset({Receiver.TELEGRAM})
NOWHERE: frozenset[Receiver] = frozenset()


@pytest.fixture
async def linked(bot_database: Database, play: Play) -> Chat:
    """A chat that is linked to the player's account."""
    async with bot_database.begin() as session:
        await telegram.ensure_chat(session, 7, "en", starting_credits=0)
        await telegram.ensure_chat(session, 8, "en", starting_credits=0)
        await chats.set_payer(session, 7, play.user_id)
        return await telegram.ensure_chat(session, 7, "en", starting_credits=0)


@pytest.mark.parametrize(
    ("prefers", "notify", "is_owed"),
    [
        (False, None, False),
        (False, TELEGRAM, True),
        (False, NOWHERE, False),
        (True, None, True),
        (True, TELEGRAM, True),
        (True, NOWHERE, False),
    ],
)
@pytest.mark.parametrize("is_batch", [False, True])
async def test_an_api_request_notifies_the_linked_chat_if_it_or_the_account_says_so(
    bot_database: Database,
    play: Play,
    linked: Chat,
    prefers: bool,
    notify: frozenset[Receiver] | None,
    is_owed: bool,
    is_batch: bool,
) -> None:
    async with bot_database.autocommit() as session:
        await chats.set_notify(session, play.user_id, is_on=prefers)
    submission = replace(play.submission(items=2 if is_batch else 1, batch=is_batch, key="k"), notify=notify)
    await play.submit(submission)
    await play.submit(replace(submission, items=play.submission(items=len(submission.items)).items))  # a repetition
    claimed = await play.claim(*[item.id for item in submission.items])
    await play.finish(*(Finish(one.id, one.attempt, 1.0, "{}") for one in claimed))
    async with bot_database.autocommit() as session:
        due = await chat_deliveries.take_due(session, but_chats=[], limit=9)
    subject_id = submission.batch_id or submission.items[0].id
    assert [(one.chat_id, one.subject_id, one.is_from_chat, one.is_batch) for one in due] == (
        [(linked.chat_id, subject_id, False, is_batch)] if is_owed else []
    )


async def test_a_refused_request_owes_nothing(bot_database: Database, play: Play, linked: Chat) -> None:
    await play.submit(replace(play.submission(cost=10**6), notify=TELEGRAM))
    async with bot_database.autocommit() as session:
        assert await chat_deliveries.count_open(session, 9) == 0
    assert linked.is_linked


async def test_a_chats_request_and_its_delivery_share_one_commit(
    bot_database: Database, play: Play, linked: Chat
) -> None:
    submission = replace(play.submission(), chat_id=linked.chat_id, notify=NOWHERE)
    await play.submit(submission)
    (claimed,) = await play.claim(submission.items[0].id)
    await play.finish(Finish(claimed.id, claimed.attempt, 1.0, "{}"))
    async with bot_database.autocommit() as session:
        assert await chat_deliveries.take_due(session, but_chats=[], limit=9) == []  # "accepted" comes first
        owed = await chat_deliveries.add(session, submission.items[0].id, play.user_id, 7, 11, 12, is_batch=False)
        assert (owed.request_message_id, owed.thread_id, owed.is_from_chat, owed.attempts) == (11, 12, True, 0)
        await chat_deliveries.let_go(session, owed.id, 55)
        (taken,) = await chat_deliveries.take_due(session, but_chats=[], limit=9)
        assert (taken.id, taken.message_id) == (owed.id, 55)
        assert await chat_deliveries.count_open(session, 9) == 1
