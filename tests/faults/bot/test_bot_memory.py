"""What was chosen and half-finished outlives the process; who is silent keeps what is owed."""

from __future__ import annotations

import asyncio
import signal

import httpx2
import pytest

from tests.support.bot_world import BotProgram, World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_half_finished_form_and_the_language_outlive_a_kill(world: World, bot: BotProgram) -> None:
    anna = world.telegram.person("ru")
    await anna.send("/models")
    await anna.tap(await anna.expect("Модели"), "survey")
    await anna.expect("Выбрана модель survey")
    await anna.send("/language")
    await anna.tap(await anna.expect("Выберите язык"), "English")
    await anna.expect("I will write in English")
    await anna.send("/predict")
    color = await anna.expect("field 1 of 4: color")
    await anna.tap(color, "red")
    await anna.expect("field 2 of 4: count")
    await world.until("SELECT count(*) = 0 FROM telegram_updates WHERE handled_at IS NULL")
    await bot.stop(signal.SIGKILL)
    await anna.send("7")
    bot = await world.start(world.bot())
    await anna.tap(await anna.expect("field 3 of 4: sure"), "no")
    optional = await anna.expect("field 4 of 4: comment")
    await world.until("SELECT count(*) = 0 FROM telegram_updates WHERE handled_at IS NULL")
    assert await bot.stop() == 0
    await world.start(world.bot())
    await anna.tap(optional, "Skip")
    answer = await anna.expect("said", method="editMessageText")
    assert '"color":"red","count":7,"sure":false' in answer.text
    assert await world.balance_of(anna.id) == 98


@pytest.mark.usefixtures("bot")
async def test_a_chat_that_stopped_the_bot_gets_nothing_until_its_next_message(world: World) -> None:
    anna = world.telegram.person()
    worker = world.programs[1]
    worker.kill(signal.SIGSTOP)
    await anna.send("unheard of")
    await anna.expect("Got it")
    await anna.send("/stop")
    await anna.expect("No more messages")
    worker.kill(signal.SIGCONT)
    await world.until("SELECT finished_at IS NOT NULL FROM predictions ORDER BY id DESC LIMIT 1")
    await asyncio.sleep(1.5)
    assert not any("unheard of" in text for text in anna.shown())
    await anna.send("/help")
    await anna.expect("unheard of")


async def test_blocking_and_unblocking_the_bot_is_noticed(world: World) -> None:
    url = f"http://127.0.0.1:{world.bot_port}/telegram"
    await world.start(world.bot(TELEGRAM_WEBHOOK_URL=url, TELEGRAM_WEBHOOK_SECRET="s3cret"))
    anna = world.telegram.person()
    await anna.send("/start")
    await anna.expect("Hello")

    async def becomes(status: str, number: int) -> None:  # the emulator has no such update
        bot = {"id": 4242, "is_bot": True, "first_name": "bot"}
        change = {
            "chat": anna.chat, "from": anna.sender, "date": 1,
            "old_chat_member": {"user": bot, "status": "member"},
            "new_chat_member": {"user": bot, "status": status, "until_date": 0},
        }  # fmt: skip
        async with httpx2.AsyncClient(headers={"X-Telegram-Bot-Api-Secret-Token": "s3cret"}) as client:
            answer = await client.post(url, json={"update_id": 10**6 * anna.id + number, "my_chat_member": change})
        assert answer.status_code == 200

    await becomes("kicked", 1)
    await world.until("SELECT blocked_at IS NOT NULL FROM telegram_chats WHERE chat_id = $1", anna.id)
    await becomes("member", 2)
    await world.until("SELECT blocked_at IS NULL FROM telegram_chats WHERE chat_id = $1", anna.id)
