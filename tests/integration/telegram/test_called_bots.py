"""Bots that Telegram calls: each process gets updates, whether it leads or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx2
import pytest

from ml_service.platform.settings.bot import BotSettings
from ml_service.storage.database import Database
from services.bot.telegram_webhook import SECRET_HEADER, WebhookServer
from services.bot.wiring import make_deps
from tests.support.ports import free_port
from tests.support.telegram import TOKEN, USERNAME, Telegram

ASKED: dict[str, Any] = {
    "update_id": 1,
    "message": {
        "message_id": 5,
        "date": 1,
        "from": {"id": 7, "is_bot": False, "first_name": "Anna"},
        "chat": {"id": -7, "type": "group", "title": "Group"},
        "text": f"/predict@{USERNAME} hello",
    },
}
TALK = {"update_id": 2, "message": {"text": "hello", "chat": {"id": -7, "type": "group"}}}


@pytest.fixture
async def telegram() -> AsyncIterator[Telegram]:
    async with Telegram() as telegram:
        yield telegram


@asynccontextmanager
async def called_bot(database_url: str, telegram: Telegram) -> AsyncIterator[httpx2.AsyncClient]:
    """What Telegram calls of a bot process that does not lead; Telegram itself."""
    port = free_port()
    settings = BotSettings(
        database_url=database_url.replace("postgres@", "ml_service_bot@"),
        telegram_token=TOKEN,
        telegram_api_url=telegram.url,
        telegram_groups="on",
        telegram_webhook_url=f"https://bot.example:{port}/telegram",
        telegram_webhook_secret="s3cret",
        bot_port=port,
        queue_backend="postgres",
    )
    async with AsyncExitStack() as stack:
        deps = await make_deps(settings, TOKEN, stack)
        server = WebhookServer(deps)
        await server.start()
        stack.push_async_callback(server.close)
        yield await stack.enter_async_context(
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={SECRET_HEADER: "s3cret"})
        )


async def kept(database: Database) -> int:
    async with database.autocommit() as session:
        return int(await session.fetchval("SELECT count(*) FROM telegram_updates"))


async def test_a_request_in_a_group_is_kept_by_a_process_that_does_not_lead(
    bot_database: Database, database_url: str, telegram: Telegram
) -> None:
    async with called_bot(database_url, telegram) as client, asyncio.timeout(20):
        while (await client.post("/telegram", json=ASKED)).status_code != 200:
            await asyncio.sleep(0.1)
    assert await kept(bot_database) == 1


async def test_a_request_in_a_group_comes_again_until_the_process_knows_its_name(
    bot_database: Database, database_url: str, telegram: Telegram
) -> None:
    fault = telegram.fault("error", method="getMe", times=-1)
    async with called_bot(database_url, telegram) as client, asyncio.timeout(20):
        assert (await client.post("/telegram", json=ASKED)).status_code == 503
        assert (await client.post("/telegram", json=TALK)).status_code == 200
        fault.times = 0
        while (await client.post("/telegram", json=ASKED)).status_code != 200:
            await asyncio.sleep(0.1)
    assert await kept(bot_database) == 1
