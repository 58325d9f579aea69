"""The database as the bot's own role sees it; and a bot whose parts run in the test, before an emulated Telegram."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from ml_service.domain.models import ModelSpec
from ml_service.platform.settings.bot import BotSettings
from ml_service.storage.database import Database
from ml_service.usecases import telegram as use_cases
from services.bot import polling
from services.bot.deps import Deps
from services.bot.handlers import make_dispatcher
from services.bot.inbox import Inbox
from services.bot.wiring import make_deps
from tests.support.play import announce_served
from tests.support.telegram import TOKEN, Telegram, TelegramUser


@pytest.fixture
async def bot_database(database: Database, database_url: str) -> AsyncIterator[Database]:  # noqa: ARG001  the books are checked after it
    """The database as the bot sees it."""
    made = await Database.connect(database_url.replace("postgres@", "ml_service_bot@"), name="bot", timeout_s=10)
    yield made
    await made.close()


@pytest.fixture
async def telegram() -> AsyncIterator[Telegram]:
    """An emulated Telegram."""
    async with Telegram() as telegram:
        yield telegram


@pytest.fixture
async def deps(telegram: Telegram, database_url: str, database: Database) -> AsyncIterator[Deps]:  # noqa: ARG001  the books are checked after it
    """What the parts of a bot need; none runs."""
    url = database_url.replace("postgres@", "ml_service_bot@")
    settings = BotSettings(
        database_url=url, queue_backend="postgres", telegram_api_url=telegram.url, default_model="echo"
    )
    async with AsyncExitStack() as stack:
        yield await make_deps(settings, TOKEN, stack)


@pytest.fixture
async def anna(telegram: Telegram, deps: Deps) -> TelegramUser:
    """Somebody with credits, whose chat is known."""
    anna = telegram.person()
    async with deps.database.begin() as session:
        await use_cases.ensure_chat(session, anna.id, "en", starting_credits=100_000)
    return anna


@pytest.fixture
async def echo(database: Database) -> ModelSpec:
    """The chosen model of all chats, announced: it takes a text."""
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    spec = ModelSpec("echo", "1", "Says its input again.", 1, schema, {})
    async with database.begin() as session:
        await announce_served(session, spec)
    return spec


@pytest.fixture
async def inbox(deps: Deps) -> AsyncIterator[Inbox]:
    """What people send is polled and handled."""
    inbox = Inbox(deps, make_dispatcher())
    await inbox.start()
    polled = asyncio.create_task(polling.poll(deps))
    yield inbox
    polled.cancel()
    await asyncio.gather(polled, inbox.close(5), return_exceptions=True)
