"""A kit of what Telegram and people do: floods, refusals, ids that begin again, unreadable updates, files."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.support.bot_world import BotProgram, World, both_queues
from tests.support.telegram import TelegramUser

pytestmark = pytest.mark.asyncio(loop_scope="session")

FLOOD = {"kind": "error", "code": 429, "description": "Too Many Requests: retry after 30", "retry_after": 30}
REFUSED: list[dict[str, Any]] = [
    {"code": 400, "description": "Bad Request: file must be non-empty"},
    {"code": 413, "description": "Request Entity Too Large"},
]


async def say_yes(person: TelegramUser, question: str) -> None:
    await person.tap(await person.expect(question), "Go")


@both_queues
@pytest.mark.usefixtures("bot")
async def test_flooded_chats_wait_for_themselves_only(world: World) -> None:
    flooded = [world.telegram.person() for _ in range(8)]
    for person in flooded:
        await person.send("/batch one\ntwo")
    for person in flooded:
        question = await person.expect("2 rows")
        for method in ("send*", "edit*"):
            world.telegram.fault(chat_id=person.id, method=method, times=-1, **FLOOD)
        await person.tap(question, "Go")
        await person.send("and one more")
    await world.telegram.wait_for(
        lambda: sum(any(call.status == 429 for call in person.calls()) for person in flooded) == len(flooded), "floods"
    )
    quick = world.telegram.person()
    began = time.monotonic()
    await quick.send("quick")
    await quick.expect("quick", method="editMessageText")
    await quick.send_file("a.txt", b"one\ntwo\n")
    await say_yes(quick, "a.txt: 2 rows")
    await quick.expect(method="sendDocument")
    assert time.monotonic() - began < 25  # what a flooded chat waits is 30
    world.telegram.faults.clear()


@pytest.mark.usefixtures("bot")
async def test_polling_does_not_spin_when_update_ids_restart_lower(world: World) -> None:
    anna = world.telegram.person()
    await anna.send("before the quiet week")
    await anna.expect("before the quiet week", method="editMessageText")
    world.telegram.begin_ids_again(3)
    before = len(world.telegram.calls)
    began = time.monotonic()
    for number in range(3):
        await anna.send(f"after it {number}")
        await anna.expect(f"after it {number}", method="editMessageText")
    await asyncio.sleep(2)
    polls = [call for call in world.telegram.calls[before:] if call.method == "getUpdates"]
    assert len(polls) < 20 + 6 * (time.monotonic() - began)
    assert len(await world.predictions_of(anna.id)) == 4
    world.telegram.begin_ids_again(None)


@pytest.mark.usefixtures("bot")
async def test_an_update_that_aiogram_cannot_read_is_answered_at_once(world: World) -> None:
    anna = world.telegram.person()
    world.telegram.begin_ids_again(2)  # seen after the poll that is under way, which may take 25 s
    world.telegram.inject(
        {
            "message": {
                "message_id": 10**7,
                "chat": anna.chat,
                "text": "forwarded",
                "forward_origin": {"type": "user"},
                "from": {"id": anna.id},
            }
        }
    )
    await anna.send("the next one")
    await anna.expect("forwarded", method="editMessageText")
    answered = time.monotonic()
    await anna.expect("the next one", method="editMessageText")
    assert time.monotonic() - answered < 10
    world.telegram.begin_ids_again(None)


@pytest.mark.usefixtures("bot")
async def test_a_file_that_telegram_refuses_is_reported_and_delays_nothing(world: World) -> None:
    anna = world.telegram.person("ru")
    refused = world.telegram.fault(
        "error", method="getFile", code=400, description="Bad Request: file is too big", chat_id=None, times=-1
    )
    await anna.send_file("big.csv", b"text\none\n")
    await anna.send("дальше")
    await anna.expect("Telegram не отдал файл")
    await anna.expect("дальше", method="editMessageText")
    assert refused.hits == 1
    world.telegram.faults.clear()


@pytest.mark.parametrize("number", range(len(REFUSED)))
@pytest.mark.usefixtures("bot")
async def test_a_file_of_answers_that_telegram_refuses_is_said_once(world: World, number: int) -> None:
    anna = world.telegram.person()
    refused = world.telegram.fault("error", chat_id=anna.id, method="sendDocument", times=-1, **REFUSED[number])
    await anna.send("/batch one\ntwo")
    await say_yes(anna, "2 rows")
    summary = await anna.expect("2 of 2 succeeded", method="editMessageText")
    assert "Telegram did not accept the file" in summary.text
    await world.until("SELECT delivered_at IS NOT NULL FROM deliveries WHERE chat_id = $1", anna.id)
    assert refused.hits == 1


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("bot")
async def test_each_admin_gets_an_alert_once_even_if_telegram_is_slow(world: World) -> None:
    admins = [world.telegram.person() for _ in range(3)]
    for admin in admins:
        await admin.send("/start")
        await admin.expect("Hello")
    await world.sql(
        "UPDATE users SET is_admin = true WHERE username = ANY ($1)", [f"telegram_{admin.id}" for admin in admins]
    )
    world.telegram.fault("delay", chat_id=admins[0].id, contains="No worker", seconds=7)  # longer than a database block
    world.telegram.fault(chat_id=admins[1].id, contains="No worker", **{**FLOOD, "retry_after": 9})
    worker = world.programs[1]
    assert await worker.stop() == 0
    for admin in admins:
        await admin.expect("No worker is running", timeout_s=120)
    worker.start()
    for admin in admins:
        await admin.expect("Workers are running again", timeout_s=120)
    told = [[call.text for call in admin.calls("orker") if call.done] for admin in admins]
    assert [len(texts) for texts in told] == [2, 2, 2]
    # Some admin has to stay: one without a chat.
    await world.sql(
        "INSERT INTO users (id, username, username_key, is_admin) VALUES (gen_random_uuid(), 'kept', 'kept', true)"
    )
    await world.sql("UPDATE users SET is_admin = false WHERE is_admin AND username <> 'kept'")


@both_queues
async def test_a_deleted_answer_is_reported_as_deleted(world: World, bot: BotProgram) -> None:
    anna = world.telegram.person()
    await anna.send("kept")
    await anna.expect("kept", method="editMessageText")
    await anna.send("/history")
    page = await anna.expect("History")
    await world.sql(
        "INSERT INTO deliveries (kind, subject_id, user_id, is_batch, chat_id, is_from_chat)"
        " SELECT 'chat', gen_random_uuid(), user_id, number = 1, chat_id, true"
        " FROM telegram_chats CROSS JOIN generate_series(0, 1) AS number WHERE chat_id = $1",
        anna.id,
    )
    await anna.expect("has been deleted")
    await anna.expect("has been deleted")
    gone = page.buttons
    (label,) = [text for text in gone if "kept" in text]
    page.params["reply_markup"]["inline_keyboard"][0][0]["callback_data"] = f"open:{'A' * 22}:all:0:{'A' * 22}"
    await anna.tap(page, label)
    await anna.expect("There is no such request")
    assert bot.process is not None
    assert bot.process.poll() is None
