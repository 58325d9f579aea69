"""Two bots poll with one token: one leads, and whatever becomes of it, each message is answered, and once."""

from __future__ import annotations

import asyncio
import signal

import pytest

from services.bot.duties import BOT_DUTIES_LOCK
from tests.support.bot_world import BotProgram, World
from tests.support.locks import END_HOLDERS, HOLDERS
from tests.support.telegram import TelegramUser
from tests.support.waiting import until

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(400)]


async def second_of(world: World) -> BotProgram:
    """Another bot, which stands by."""
    second = world.bot(BOT_PORT="0")
    second.log = world.folder / f"second-{len(world.telegram.calls)}.log"
    second.start()
    async with asyncio.timeout(180):
        while "standby" not in second.log.read_text():
            await asyncio.sleep(0.1)
    return second


async def answered_once(world: World, person: TelegramUser, count: int = 1, *, timeout_s: float = 60) -> None:
    """Each of the person's requests was accepted, paid and answered, and is seen once."""
    await world.until(
        "SELECT count(*) = $2 AND bool_and(delivered_at IS NOT NULL) FROM deliveries WHERE chat_id = $1",
        person.id,
        count,
        timeout_s=timeout_s,
    )
    await asyncio.sleep(0.5)
    assert [row["status"] for row in await world.predictions_of(person.id)] == ["succeeded"] * count
    assert await world.balance_of(person.id) == 100 - count
    assert len([call for call in person.calls("Got it", "sendMessage") if call.done]) == count
    for number in range(count):
        assert len([shown for shown in person.shown() if f"asked {person.id} {number}" in shown]) == 1


@pytest.mark.parametrize("how", ["cut off", "stopped"])
async def test_what_a_bot_is_doing_when_it_leads_no_longer_is_not_done_by_the_next_one_too(
    world: World, bot: BotProgram, how: str
) -> None:
    await second_of(world)
    people = [world.telegram.person() for _ in range(3)]
    faults = [world.telegram.fault("delay", chat_id=one.id, method="sendMessage", seconds=6) for one in people]
    for person in people:
        await person.send(f"asked {person.id} 0")
    await until(lambda: all(fault.hits for fault in faults))
    if how == "cut off":
        (cut,) = await world.sql(END_HOLDERS, BOT_DUTIES_LOCK)
        assert cut[0]
    else:
        bot.kill(signal.SIGTERM)
    await asyncio.sleep(9)  # until the first bot's sends have come through
    for person in people:
        await answered_once(world, person)


async def test_a_leading_bot_that_is_frozen_is_replaced_and_changes_nothing_when_it_wakes(
    world: World, bot: BotProgram
) -> None:
    await second_of(world)
    people = [world.telegram.person() for _ in range(3)]
    for person in people:
        await person.send(f"asked {person.id} 0")
        await answered_once(world, person)
    bot.kill(signal.SIGSTOP)
    for person in people:
        await person.send(f"asked {person.id} 1")
    for person in people:
        await answered_once(world, person, 2, timeout_s=90)
    bot.kill(signal.SIGCONT)
    for person in people:
        await person.send(f"asked {person.id} 2")
    for person in people:
        await answered_once(world, person, 3)
    await asyncio.sleep(3)
    for person in people:
        await answered_once(world, person, 3)
    assert len(await world.sql(HOLDERS, BOT_DUTIES_LOCK)) == 1


async def test_an_album_is_asked_and_paid_once_though_another_bot_gets_the_rest_of_it(
    world: World, bot: BotProgram
) -> None:
    await second_of(world)
    anna = world.telegram.person()
    picture = {"photo": [{"file_id": "p", "file_unique_id": "p", "width": 1, "height": 1}], "media_group_id": "album"}
    await anna.send_what(**picture, caption=f"asked {anna.id} 0")
    await answered_once(world, anna)
    await bot.stop(signal.SIGKILL)
    await anna.send_what(**picture, caption="the rest of it")
    await anna.send(f"asked {anna.id} 1")
    await answered_once(world, anna, 2)
