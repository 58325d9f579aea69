"""Telegram answers 429, 403, 5xx, HTML, or nothing. Nothing is lost, and others do not notice."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from services.bot.sender import REQUEST_TIMEOUT_S
from tests.support.bot_world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

FLOOD: dict[str, Any] = {
    "kind": "error",
    "code": 429,
    "description": "Too Many Requests: retry after 3",
    "retry_after": 3,
}


@pytest.mark.usefixtures("bot")
async def test_retry_after_is_obeyed_and_others_go_on(world: World) -> None:
    anna, john = world.telegram.person(), world.telegram.person()
    flood = FLOOD | {"description": "Too Many Requests: retry after 12", "retry_after": 12}
    fault = world.telegram.fault(chat_id=anna.id, method="sendMessage", **flood)
    await anna.send("patient")
    await world.telegram.wait_for(lambda: fault.hits, "refusal")
    await john.send("quick")
    quick = await john.expect("quick", method="editMessageText")
    refused, *_ = anna.calls(method="sendMessage")
    accepted = await anna.expect("Got it")
    await anna.expect("patient")  # as a message of its own, so late
    assert accepted.at - refused.at >= 12
    assert quick.at < accepted.at
    assert not [call for call in anna.calls() if refused.at < call.at < refused.at + 12]


@pytest.mark.usefixtures("bot")
async def test_retry_after_of_an_answer_is_obeyed(world: World) -> None:
    anna = world.telegram.person()
    world.telegram.fault(chat_id=anna.id, method="editMessageText", **FLOOD)
    await anna.send("patient")
    answer = await anna.expect("patient", method="editMessageText")
    refused, *_ = anna.calls(method="editMessageText")
    assert answer.at - refused.at >= 3


@pytest.mark.usefixtures("bot")
async def test_a_chat_that_had_blocked_the_bot_gets_its_answer_after_unblocking(world: World) -> None:
    anna, john = world.telegram.person(), world.telegram.person()
    await anna.send("/start")
    await anna.expect("Hello")
    blocked = world.telegram.fault(
        "error", code=403, description="Forbidden: bot was blocked by the user", chat_id=anna.id, times=-1
    )
    await anna.send("owed")
    await world.until("SELECT blocked_at IS NOT NULL FROM telegram_chats WHERE chat_id = $1", anna.id)
    await john.send("unharmed")
    await john.expect("unharmed", method="editMessageText")
    hits = blocked.hits
    await asyncio.sleep(1.5)
    assert blocked.hits == hits  # that chat is left alone
    world.telegram.faults.clear()
    await anna.send("/help")
    await anna.expect("owed")
    assert len(await world.predictions_of(anna.id)) == 1


ODD: list[dict[str, Any]] = [
    {"kind": "html", "code": 502},
    {"kind": "error", "code": 500, "description": "Internal Server Error"},
    {"kind": "error", "code": 429, "description": "Too Many Requests"},
    {"kind": "error", "code": 401, "description": "Unauthorized"},
    {"kind": "drop"},
]


@pytest.mark.usefixtures("bot")
async def test_whatever_goes_wrong_on_the_way_is_tried_again(world: World) -> None:
    people = [world.telegram.person() for _ in range(2 * len(ODD))]
    for number, person in enumerate(people):
        method = ("sendMessage", "editMessageText")[number % 2]
        world.telegram.fault(chat_id=person.id, method=method, times=2, **ODD[number // 2])
    await asyncio.gather(*(person.send(f"mine {person.id}") for person in people))
    for person in people:
        await person.expect(f"mine {person.id}")
        assert len(await world.predictions_of(person.id)) == 1
        assert await world.balance_of(person.id) == 99


@pytest.mark.usefixtures("bot")
async def test_telegram_says_nothing_to_one_chat_and_the_others_go_on(world: World) -> None:
    anna, john = world.telegram.person(), world.telegram.person()
    silence = world.telegram.fault("delay", chat_id=anna.id, method="sendMessage", seconds=3 * REQUEST_TIMEOUT_S)
    await anna.send("patient")
    await world.telegram.wait_for(lambda: silence.hits, "silence")
    await john.send("quick")
    await john.expect("quick", method="editMessageText", timeout_s=REQUEST_TIMEOUT_S)
    await anna.expect("patient")
    assert len(await world.predictions_of(anna.id)) == 1
    assert len([text for text in anna.shown() if "patient" in text]) == 1


@pytest.mark.usefixtures("bot")
async def test_a_lost_confirmation_shows_no_answer_twice(world: World) -> None:
    anna = world.telegram.person()
    world.telegram.fault("drop_after", chat_id=anna.id, method="editMessageText", times=2)
    await anna.send("once")
    await world.until("SELECT delivered_at IS NOT NULL FROM deliveries WHERE chat_id = $1", anna.id)
    assert len([text for text in anna.shown() if "once" in text]) == 1


@pytest.mark.usefixtures("bot")
async def test_polling_survives_everything_and_health_tells(world: World) -> None:
    anna = world.telegram.person()
    for odd in [
        *ODD,
        {"kind": "error", "code": 409, "description": "Conflict: terminated by other getUpdates request"},
    ]:
        world.telegram.fault(method="getUpdates", **odd)
    lasting = world.telegram.fault("html", method="getUpdates", times=3, code=504)
    await anna.send("/start")  # ends the poll that is under way
    await world.telegram.wait_for(lambda: lasting.hits, "all faults", 60)
    async with httpx2.AsyncClient() as client:
        health = (await client.get(f"http://127.0.0.1:{world.bot_port}/health")).json()
    assert health["trouble"] is not None
    await anna.send("still here")
    await anna.expect("still here", method="editMessageText", timeout_s=120)


async def test_a_wrong_token_is_reported_and_retried(world: World) -> None:
    world.telegram.fault("error", method="getMe", code=401, description="Unauthorized", times=3)
    await world.start(world.bot())
    assert "Unauthorized" in world.logs()
    assert "4242:test-token" not in world.logs()
