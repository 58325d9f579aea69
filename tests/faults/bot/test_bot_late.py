"""A late answer is a message of its own, which makes a sound: once, however it comes about."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest

from services.bot.deliverer import LATE_S
from tests.support.bot_world import BotProgram, World, both_queues
from tests.support.telegram import Call, TelegramUser

pytestmark = pytest.mark.asyncio(loop_scope="session")

POINTER = "The answer is below"


async def until_late(accepted: Call) -> None:
    """Wait until the answer to this will be late. A frozen worker's lease holds twice as long."""
    await asyncio.sleep(max(0.0, accepted.at + LATE_S + 0.5 - time.monotonic()))


async def ask(world: World, person: TelegramUser, text: str) -> tuple[int, Call]:
    """Ask while the worker is frozen."""
    world.programs[1].kill(signal.SIGSTOP)
    number = await person.send(text)
    return number, await person.expect("Got it")


@both_queues
@pytest.mark.usefixtures("bot")
async def test_a_late_answer_is_a_reply_and_accepted_points_to_it(world: World) -> None:
    anna = world.telegram.person()
    number, accepted = await ask(world, anna, "was it long?")
    await until_late(accepted)
    world.programs[1].kill(signal.SIGCONT)
    pointer = await anna.expect(POINTER, method="editMessageText")
    answer = await anna.expect("was it long?", method="sendMessage")
    assert (pointer.message_id, pointer.buttons) == (accepted.message_id, {})
    assert answer.message_id != accepted.message_id
    assert answer.params["reply_parameters"]["message_id"] == number
    assert "🔁 Again" in answer.buttons
    await world.until("SELECT delivered_at IS NOT NULL FROM deliveries WHERE chat_id = $1", anna.id)
    assert len([text for text in anna.shown() if "was it long?" in text]) == 1


@pytest.mark.usefixtures("bot")
async def test_a_late_cancel_changes_the_message_and_sends_no_other(world: World) -> None:
    anna = world.telegram.person()
    _, accepted = await ask(world, anna, "never mind")
    await until_late(accepted)
    await anna.tap(accepted, "Cancel")
    canceled = await anna.expect("Cancelled.", method="editMessageText")
    assert canceled.message_id == accepted.message_id
    assert len(anna.calls(method="sendMessage")) == 1


async def test_a_kill_at_any_step_of_it_repeats_at_most_one_message(world: World, bot: BotProgram) -> None:
    anna, john = world.telegram.person(), world.telegram.person()
    await ask(world, john, "killed after the pointer")
    _, accepted = await ask(world, anna, "killed after the answer")
    pointed = world.telegram.fault("hang_after", chat_id=john.id, method="editMessageText", seconds=8)
    sent = world.telegram.fault("hang_after", chat_id=anna.id, contains="killed", method="sendMessage", seconds=8)
    await until_late(accepted)
    world.programs[1].kill(signal.SIGCONT)
    await world.telegram.wait_for(lambda: pointed.hits and sent.hits, "both faults")
    await anna.expect("killed after the answer", method="sendMessage")
    await bot.stop(signal.SIGKILL)
    await world.start(world.bot())
    await world.until(
        "SELECT bool_and(delivered_at IS NOT NULL) FROM deliveries WHERE chat_id = ANY ($1::bigint[])",
        [anna.id, john.id],
    )
    assert sum("killed after the pointer" in text for text in john.shown()) == 1
    assert sum("killed after the answer" in text for text in anna.shown()) == 2
    assert sum(POINTER in text for text in anna.shown() + john.shown()) == 2
