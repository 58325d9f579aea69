"""Questions in groups: answered there, paid by who asks, and nothing else of the group is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import count

import pytest
import pytest_asyncio

from engine.native.postgres import PostgresNode
from tests.support.bot_world import World, make_database, world_on
from tests.support.nodes import TEMPLATE
from tests.support.telegram import USERNAME, Call, TelegramUser

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]  # people talk at Telegram's pace

ASK = f"/predict@{USERNAME}"
_groups = count(-1_000_000_000_000, -1)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(_postgres: PostgresNode, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """App, worker, and a bot that answers in groups."""
    await make_database(_postgres.dsn(), "bot_groups", TEMPLATE)
    folder = tmp_path_factory.mktemp("groups")
    async with world_on(_postgres.dsn("bot_groups"), folder, models="echo,survey") as made:
        await made.start(made.bot(TELEGRAM_GROUPS="on"))
        yield made


def said_in(world: World, group_id: int) -> list[Call]:
    return [call for call in world.telegram.calls if call.chat_id == group_id and call.done]


async def first_said(world: World, group_id: int, number: int = 0) -> Call:
    found: Call = await world.telegram.wait_for(
        lambda: said_in(world, group_id)[number] if len(said_in(world, group_id)) > number else None, "an answer"
    )
    return found


async def read_prices(person: TelegramUser) -> None:
    """Let the bot see the prices as they are now, which it does for who asks for the models."""
    await person.send("/models")
    await person.expect("Models")


async def test_a_request_in_a_group_is_answered_there_and_paid_by_the_sender(world: World) -> None:
    group = next(_groups)
    anna, ivan = world.telegram.person("en"), world.telegram.person("ru")
    for one in (anna, ivan):
        await one.send("/start")
        await one.expect("100")
    asked = await anna.send_in(group, f"{ASK} a good day", message_thread_id=77, is_topic_message=True)
    answer = await first_said(world, group)
    assert answer.method == "sendMessage"
    assert "a good day" in answer.text
    assert answer.buttons == {}
    assert answer.params["reply_parameters"]["message_id"] == asked
    assert int(answer.params["message_thread_id"]) == 77
    assert "99" not in answer.text  # what is left is the person's own business
    assert (await world.balance_of(anna.id), await world.balance_of(ivan.id)) == (99, 100)
    await ivan.send_in(group, f"{ASK.upper()}  хороший день")
    assert "хороший день" in (await first_said(world, group, 1)).text
    assert (await world.balance_of(anna.id), await world.balance_of(ivan.id)) == (99, 99)
    assert len(said_in(world, group)) == 2
    await anna.send("/history")
    assert "a good day" in (await anna.expect("History")).text


async def test_an_answer_follows_a_group_that_became_a_supergroup(world: World) -> None:
    group, supergroup, anna = next(_groups), next(_groups), world.telegram.person("en")
    await anna.send("/start")
    await anna.expect("100")
    upgraded = {"description": "Bad Request: group chat was upgraded to a supergroup chat", "code": 400}
    world.telegram.fault("error", chat_id=group, times=-1, migrate_to_chat_id=supergroup, **upgraded)
    await anna.send_in(group, f"{ASK} a day of moving")
    assert "a day of moving" in (await first_said(world, supergroup)).text
    assert await world.balance_of(anna.id) == 99
    world.telegram.faults.clear()


async def test_a_sender_without_an_account_is_told_where_to_get_one(world: World) -> None:
    group, stranger = next(_groups), world.telegram.person("ru")
    await stranger.send_in(group, f"{ASK} текст")
    assert f"@{USERNAME}" in (await first_said(world, group)).text
    assert await world.sql("SELECT FROM telegram_chats WHERE chat_id = $1", stranger.id) == []


async def test_group_messages_not_meant_for_the_bot_are_neither_kept_nor_answered(world: World) -> None:
    group, anna = next(_groups), world.telegram.person()
    await anna.send("/start")
    await anna.expect("Hello")
    before = len(await world.sql("SELECT FROM telegram_updates"))
    for text in ("hello all", "/predict text", "/predict@another_bot text", f"so {ASK} text", f"{ASK}x text", "/help"):
        await anna.send_in(group, text)
    await anna.send_in(group, f"{ASK} text", sender_chat={"id": group, "type": "supergroup", "title": "Group"})
    await anna.send_in(group, f"{ASK} the last one")
    assert "the last one" in (await first_said(world, group)).text
    await asyncio.sleep(1)
    assert len(said_in(world, group)) == 1
    assert len(await world.sql("SELECT FROM telegram_updates")) == before + 1


async def test_an_invalid_request_is_explained_in_the_group_and_costs_nothing(world: World) -> None:
    group, anna = next(_groups), world.telegram.person()
    await anna.send("/start")
    await anna.expect("Hello")
    await anna.send_in(group, ASK)
    assert "your text" in (await first_said(world, group)).text
    await world.sql("UPDATE telegram_chats SET model = 'survey' WHERE chat_id = $1", anna.id)
    await anna.send_in(group, f"{ASK} text")
    assert "more than a text" in (await first_said(world, group, 1)).text
    await world.sql("UPDATE telegram_chats SET model = NULL WHERE chat_id = $1", anna.id)
    await world.sql("UPDATE models SET price_credits_set = 1000 WHERE name = 'echo'")
    await read_prices(anna)
    await anna.send_in(group, f"{ASK} text")
    refused = (await first_said(world, group, 2)).text
    await world.sql("UPDATE models SET price_credits_set = NULL WHERE name = 'echo'")
    await read_prices(anna)  # for the tests that follow
    assert "do not have enough credits" in refused
    assert "100" not in refused
    assert await world.balance_of(anna.id) == 100


async def test_a_group_that_puts_the_bot_out_closes_no_chat(world: World) -> None:
    group, anna = next(_groups), world.telegram.person()
    await anna.send("/start")
    await anna.expect("Hello")
    world.telegram.fault(
        "error", chat_id=group, times=-1, code=403, description="Forbidden: bot was kicked from the supergroup chat"
    )
    await anna.send_in(group, f"{ASK} into the void")
    await world.until("SELECT delivered_at IS NOT NULL FROM deliveries WHERE group_id = $1", group)
    await anna.send("still here?")
    await anna.expect("still here?", method="editMessageText")
    world.telegram.faults.clear()
