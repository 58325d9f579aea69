"""A notice reaches the chat, in its language, once."""

from __future__ import annotations

import pytest

from tests.support.bot_world import World

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_webhook_that_was_switched_off_is_told_to_the_chat(world: World) -> None:
    anna = world.telegram.person()
    await anna.send("/start")
    await world.until("SELECT count(*) = 1 FROM telegram_chats WHERE chat_id = $1", anna.id)
    await world.sql(
        "INSERT INTO deliveries (kind, subject_id, user_id, chat_id, event, data)"
        " SELECT 'notice', gen_random_uuid(), user_id, chat_id, 'webhook.disabled',"
        ' \'{"url": "https://example.com/<hooks>", "reason": "failing"}\' FROM telegram_chats WHERE chat_id = $1',
        anna.id,
    )
    notice = await anna.expect("https://example.com/<hooks> is switched off", method="sendMessage")
    assert "has failed for days" in notice.text
    await world.until("SELECT delivered_at IS NOT NULL FROM deliveries WHERE chat_id = $1 AND kind = 'notice'", anna.id)
    assert len([text for text in anna.shown() if "switched off" in text]) == 1
