"""The bot's loops end when they are told to, whatever happens at that moment."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from ml_service.platform.settings.bot import BotSettings
from services.bot.deliverer import Deliverer
from services.bot.handlers import make_dispatcher
from services.bot.inbox import Inbox
from services.bot.wiring import make_deps
from tests.support.telegram import TOKEN


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("kind", ["inbox", "deliverer"])
async def test_it_closes_though_it_is_woken_at_the_same_moment(database_url: str, kind: str, turns: int) -> None:
    settings = BotSettings(database_url=database_url, queue_backend="postgres")
    async with AsyncExitStack() as stack:
        deps = await make_deps(settings, TOKEN, stack)
        part = Inbox(deps, make_dispatcher()) if kind == "inbox" else Deliverer(deps)
        await part.start()
        await asyncio.sleep(0.3)  # it has looked once, and waits
        deps.arrived.set()
        deps.answered.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await part.close(1)
