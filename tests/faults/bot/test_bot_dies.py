"""The bot is stopped or killed at the worst moments, and gets updates twice."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import httpx2
import pytest

from tests.support.bot_world import BotProgram, World, both_queues
from tests.support.ports import free_port
from tests.support.telegram import TelegramUser

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def once(world: World, person: TelegramUser, text: str, *, paid: int = 1) -> None:
    """The person asked once, paid once, and sees the answer once."""
    await world.until(
        "SELECT count(*) > 0 AND bool_and(delivered_at IS NOT NULL) FROM deliveries WHERE chat_id = $1",
        person.id,
    )
    assert [row["status"] for row in await world.predictions_of(person.id)] == ["succeeded"]
    assert await world.balance_of(person.id) == 100 - paid
    assert len([shown for shown in person.shown() if text in shown]) == 1


@pytest.mark.parametrize(
    ("world", "number", "when"),
    [
        *(("postgres", number, when) for number in (signal.SIGTERM, signal.SIGKILL) for when in ("before", "after")),
        ("rabbitmq", signal.SIGKILL, "after"),
    ],
    indirect=["world"],
)
async def test_it_ends_in_mid_update(world: World, bot: BotProgram, number: int, when: str) -> None:
    anna = world.telegram.person()
    kind = {"before": "delay", "after": "hang_after"}[when]
    fault = world.telegram.fault(kind, chat_id=anna.id, method="sendMessage", seconds=4)
    await anna.send(f"asked {anna.id}")
    await world.telegram.wait_for(lambda: fault.hits, "send")
    if when == "after":
        await anna.expect("Got it")
    code = await bot.stop(number)
    assert code == (0 if number == signal.SIGTERM else -signal.SIGKILL)
    await world.start(world.bot())
    await once(world, anna, f"asked {anna.id}")
    accepted = [call for call in anna.calls("Got it", "sendMessage") if call.done]
    assert len(accepted) <= (1 if number == signal.SIGTERM else 2)


@both_queues
async def test_a_bot_killed_before_the_answer_sends_it_after_its_restart(world: World, bot: BotProgram) -> None:
    people = [world.telegram.person() for _ in range(3)]
    world.programs[1].kill(signal.SIGSTOP)  # the worker
    for person in people:
        await person.send(f"asked {person.id}")
        await person.expect("Got it")
    await bot.stop(signal.SIGKILL)
    world.programs[1].kill(signal.SIGCONT)
    await world.until("SELECT count(*) = 0 FROM predictions WHERE finished_at IS NULL", timeout_s=120)
    await world.start(world.bot())
    for person in people:
        await once(world, person, f"asked {person.id}")


@both_queues
async def test_a_bot_killed_between_the_answer_and_its_mark_sends_it_once(world: World, bot: BotProgram) -> None:
    anna = world.telegram.person()
    world.telegram.fault("hang_after", chat_id=anna.id, method="editMessageText", seconds=8)
    await anna.send("once more")
    await anna.expect("once more", method="editMessageText")
    await bot.stop(signal.SIGKILL)
    await world.start(world.bot())
    await once(world, anna, "once more")


@pytest.mark.usefixtures("bot")
async def test_the_database_cuts_all_connections(world: World) -> None:
    people = [world.telegram.person() for _ in range(6)]
    for person in people:
        await person.send(f"asked {person.id}")
        await world.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'ml_service_bot'")
    for person in people:
        await once(world, person, f"asked {person.id}")


def update(person: TelegramUser, number: int, text: str) -> dict[str, Any]:
    """A message as Telegram posts it."""
    message = {"message_id": number, "date": 1, "from": person.sender, "chat": person.chat, "text": text}
    return {"update_id": 10**6 * person.id + number, "message": message}


async def test_webhook_takes_nothing_without_the_secret_and_each_update_once(world: World) -> None:
    url = f"http://127.0.0.1:{world.bot_port}/telegram"
    await world.start(world.bot(TELEGRAM_WEBHOOK_URL=url, TELEGRAM_WEBHOOK_SECRET="s3cret_token"))
    anna = world.telegram.person()
    body = update(anna, 1, "by webhook")
    header = "X-Telegram-Bot-Api-Secret-Token"
    async with httpx2.AsyncClient() as client:
        for headers in ({}, {header: ""}, {header: "s3cret_tokem"}, {header: "s3cret_token2"}):
            assert (await client.post(url, json=body, headers=headers)).status_code == 401
        right = {header: "s3cret_token"}
        assert (await client.post(url, content=b"{", headers=right)).status_code == 400
        answers = await asyncio.gather(*(client.post(url, json=body, headers=right) for _ in range(5)))
        assert {answer.status_code for answer in answers} == {200}
        assert (await client.post(url, content=json.dumps([1]), headers=right)).status_code == 200
        await once(world, anna, "by webhook")
        again = await client.post(url, json=body, headers=right)
        assert again.status_code == 200
    john = world.telegram.person()
    await john.send("through the emulator")
    await john.expect("through the emulator", method="editMessageText")
    await once(world, anna, "by webhook")


async def test_two_replicas_keep_each_chats_order_and_one_may_die(world: World) -> None:
    first_port = world.bot_port
    url = f"http://127.0.0.1:{first_port}/telegram"
    env = {"TELEGRAM_WEBHOOK_URL": url, "TELEGRAM_WEBHOOK_SECRET": "s3cret_token"}
    first = await world.start(world.bot(**env))
    second_port = world.bot_port = free_port()
    second = world.bot(**env)
    second.start()
    world.bot_port = first_port
    people = [world.telegram.person() for _ in range(4)]
    headers = {"X-Telegram-Bot-Api-Secret-Token": "s3cret_token"}
    async with httpx2.AsyncClient(headers=headers) as client, asyncio.timeout(180):
        while True:
            try:
                if (await client.get(f"http://127.0.0.1:{second_port}/health")).status_code == 200:
                    break
            except httpx2.TransportError:
                await asyncio.sleep(0.1)
        for number in range(1, 5):
            port = (first_port, second_port)[number % 2]
            for person in people:
                sent = update(person, number, f"text {number}")
                assert (await client.post(f"http://127.0.0.1:{port}/telegram", json=sent)).status_code == 200
        await first.stop(signal.SIGKILL)
        for person in people:
            for number in range(1, 5):
                await person.expect(f"text {number}", timeout_s=120)
    for person in people:
        inputs = [json.loads(row["input"])["text"] for row in await world.predictions_of(person.id)]
        assert inputs == [f"text {number}" for number in range(1, 5)]
        assert await world.balance_of(person.id) == 96
    assert await second.stop() == 0


async def test_a_second_poller_stands_by_and_takes_over(world: World, bot: BotProgram) -> None:
    second = world.bot(BOT_PORT="0")
    second.start()
    log = second.log
    async with asyncio.timeout(180):
        while "standby" not in log.read_text():
            await asyncio.sleep(0.1)
    await bot.stop(signal.SIGKILL)
    anna = world.telegram.person()
    await anna.send("who is there?")
    await anna.expect("who is there?", method="editMessageText")


async def test_without_a_token_it_rests(world: World) -> None:
    resting = world.bot(TELEGRAM_TOKEN="paste-the-token-from-BotFather-here")
    resting.log = world.folder / "resting.log"
    resting.start()
    async with asyncio.timeout(180):
        while not resting.log.read_text():
            await asyncio.sleep(0.1)
    assert await resting.stop() == 0
    (line,) = resting.log.read_text().splitlines()
    assert json.loads(line)["event"] == "bot_rests"


@pytest.mark.usefixtures("bot")
async def test_admins_hear_when_no_worker_is_alive_and_when_one_is_back(world: World) -> None:
    admin = world.telegram.person("ru")
    await admin.send("/start")
    await admin.expect("Здравствуйте")
    await world.sql("UPDATE users SET is_admin = true WHERE username = $1", f"telegram_{admin.id}")
    worker = world.programs[1]
    assert await worker.stop() == 0
    await admin.send("никого")
    await admin.expect("Модель сейчас не запущена")
    await admin.expect("Ни один воркер не работает", timeout_s=120)
    worker.start()
    await admin.expect("Воркеры снова работают", timeout_s=120)
    await admin.expect("никого", method="sendMessage", timeout_s=120)
