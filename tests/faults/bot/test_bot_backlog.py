"""A thousand answers wait after an outage: all arrive, within Telegram's limits, and a crash repeats at most one."""

from __future__ import annotations

import signal
import time

import pytest

from services.bot.write_limits import ALL_BURST
from tests.support.bot_world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNT = 1000
PER_S_MAX = 30
"""Messages that Telegram takes from a bot in a second."""
FIRST = 50_000_000
ACCEPTED = 9_000_000
"""Number of each "accepted" message: none that the emulator gives, which counts from 1 over all chats."""
_FILL = """
    WITH person AS (
        SELECT number, gen_random_uuid() AS user_id, gen_random_uuid() AS id
        FROM generate_series($1::int, $2::int) AS number
    ), users AS (
        INSERT INTO users (id, username, username_key) SELECT user_id, 'w' || number, 'w' || number FROM person
    ), chats AS (
        INSERT INTO telegram_chats (chat_id, own_user_id, user_id, language)
        SELECT number, user_id, user_id, 'en' FROM person
    ), asked AS (
        INSERT INTO predictions (id, user_id, model, version, status, source, cost, input, output, finished_at)
        SELECT id, user_id, 'echo', '1', 'succeeded', 'telegram', 0, '{"text": "waited"}', '{"text": "waited"}', now()
        FROM person
    ), held AS (
        INSERT INTO transactions (user_id, kind, amount, prediction_id, actor_kind, actor_id)
        SELECT user_id, kind, 0, id, 'system', 'test' FROM person CROSS JOIN (VALUES ('hold'), ('capture')) AS k (kind)
    )
    INSERT INTO deliveries (kind, subject_id, user_id, is_batch, chat_id, is_from_chat, message_id, created_at)
    SELECT 'chat', id, user_id, false, number, true, CASE WHEN number % 2 = 0 THEN $3::int END,
        now() - interval '1 hour'
    FROM person
"""


@pytest.mark.timeout(1200)
async def test_a_thousand_answers_after_an_outage(world: World) -> None:
    await world.sql(_FILL, FIRST, FIRST + COUNT - 1, ACCEPTED)
    even = range(FIRST, FIRST + COUNT, 2)
    world.telegram.screen.messages.update({(str(chat), ACCEPTED): ("Got it", "") for chat in even})
    before = len(world.telegram.calls)

    def sent() -> list[int]:
        return [
            call.chat_id or 0
            for call in world.telegram.calls[before:]
            if call.method == "sendMessage" and call.done and (call.chat_id or 0) >= FIRST
        ]

    began = time.monotonic()
    bot = await world.start(world.bot())
    await world.telegram.wait_for(lambda: len(sent()) > COUNT // 3, "a third", 300)
    await bot.stop(signal.SIGKILL)
    await world.start(world.bot())
    await world.telegram.wait_for(lambda: len(set(sent())) == COUNT, "all answers", 600)
    await world.until("SELECT count(*) = 0 FROM deliveries WHERE delivered_at IS NULL")
    assert len(sent()) - COUNT <= 1  # one crash
    assert all("below" in world.telegram.screen.messages[str(chat), ACCEPTED][0] for chat in even)
    times = [call.at for call in world.telegram.calls[before:] if call.method.startswith(("send", "edit"))]
    # The emulator shares this machine: what it notes late makes a window look busier, but no sum since the beginning.
    early = [place for place, at in enumerate(times, 1) if place > PER_S_MAX * (at - began) + 2 * ALL_BURST]  # two runs
    assert early == []
