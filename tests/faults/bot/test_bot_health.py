"""Health tells when nobody hears Telegram any more, and only then."""

from __future__ import annotations

import asyncio
import signal
from typing import Any

import httpx2
import pytest

from services.bot.duties import BOT_DUTIES_LOCK
from services.bot.health import SILENT_S_MAX
from tests.support.bot_world import BotProgram, World
from tests.support.locks import END_HOLDERS
from tests.support.ports import free_port

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


async def until_health(port: int, *, code: int, state: str, timeout_s: float = 60) -> dict[str, Any]:
    """Wait until the bot at this port is so; what it says."""
    async with asyncio.timeout(timeout_s), httpx2.AsyncClient() as client:
        while True:
            try:
                answer = await client.get(f"http://127.0.0.1:{port}/health")
            except httpx2.TransportError:
                pass
            else:
                said: dict[str, Any] = answer.json()
                if (answer.status_code, said["state"]) == (code, state):
                    return said
            await asyncio.sleep(0.1)


@pytest.mark.usefixtures("bot")
async def test_it_fails_when_polling_has_stopped_and_is_well_again_after_it(world: World) -> None:
    await until_health(world.bot_port, code=200, state="polling")
    world.telegram.fault("html", method="getUpdates", times=-1, code=502)
    await world.telegram.person().send("/start")  # ends the poll that is under way
    said = await until_health(world.bot_port, code=503, state="polling", timeout_s=SILENT_S_MAX + 60)
    assert said["silent_s"] >= SILENT_S_MAX
    assert "502" in said["trouble"]
    world.telegram.faults.clear()
    said = await until_health(world.bot_port, code=200, state="polling")
    assert (said["status"], said["trouble"]) == ("ok", None)


async def test_a_bot_that_lost_the_election_stands_by(world: World, bot: BotProgram) -> None:
    first_port = world.bot_port
    world.bot_port = free_port()
    second = world.bot()
    second_port, world.bot_port = world.bot_port, first_port
    second.start()
    await until_health(second_port, code=200, state="standby")
    bot.kill(signal.SIGSTOP)
    await world.sql(END_HOLDERS, BOT_DUTIES_LOCK)
    await until_health(second_port, code=200, state="polling")
    bot.kill(signal.SIGCONT)
    await until_health(first_port, code=200, state="standby")
    anna = world.telegram.person()
    await anna.send("who is there?")
    await anna.expect("who is there?", method="editMessageText")
    assert len(await world.predictions_of(anna.id)) == 1
