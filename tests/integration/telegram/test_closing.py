"""The bot's loops end when they are told to, whatever happens at that moment."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from ml_service.settings import Settings
from services.bot.handlers import make_dispatcher
from services.bot.inbox import Inbox
from services.bot.notifier import Notifier
from services.bot.service import make_parts
from tests.nodes.telegram import TOKEN


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("kind", ["inbox", "notifier"])
async def test_it_closes_though_it_is_woken_at_the_same_moment(database_url: str, kind: str, turns: int) -> None:
    settings = Settings(_env_file=None, database_url=database_url, queue_backend="postgres")
    async with AsyncExitStack() as stack:
        parts = await make_parts(settings, TOKEN, stack)
        part = Inbox(parts, make_dispatcher()) if kind == "inbox" else Notifier(parts)
        await part.start()
        await asyncio.sleep(0.3)  # it has looked once, and waits
        parts.arrived.set()
        parts.answered.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await part.close(1)
