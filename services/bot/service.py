"""Makes the bot of its parts, starts and stops them in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import structlog
from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer

from ml_service.alive import keep_touching
from ml_service.notify import notify
from ml_service.settings import Settings
from ml_service.usecases.intake import Intake
from ml_service.usecases.models import Catalog
from ml_service.usecases.predictions import Predictor
from ml_service.usecases.publisher import Publisher
from ml_service.wiring import limits_of, open_database, open_queue
from services.bot.handlers import make_dispatcher
from services.bot.health import Health
from services.bot.inbox import Inbox
from services.bot.leading import Leader
from services.bot.notifier import Notifier
from services.bot.pace import Pace
from services.bot.parts import Parts
from services.bot.receiving import Server
from services.bot.sender import Sender

log = structlog.get_logger()

NAME = "ml-service bot"
DRAIN_S = 10.0
RELAXED_CONNECTIONS_MAX = 2
"""For the publisher's marks, which need not wait for the disk."""


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; without a token, rest until then."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    token = settings.bot_token
    if token is None:
        log.warning("bot_rests", why="TELEGRAM_TOKEN is not set: get a token from @BotFather (docs/telegram.md)")
        notify("READY=1\nSTATUS=resting: TELEGRAM_TOKEN is not set")
        async with _touching(settings.alive_file, lambda: True):
            await stop.wait()
        return
    async with AsyncExitStack() as stack:
        parts = await make_parts(settings, token, stack)
        await stack.enter_async_context(_touching(settings.alive_file, lambda: parts.health.is_well))
        await parts.catalog.start()
        stack.push_async_callback(parts.catalog.close)
        await _serve(parts, stop)
    log.info("bot_stopped")


@asynccontextmanager
async def _touching(file: Path | None, is_well: Callable[[], bool]) -> AsyncIterator[None]:
    task = asyncio.create_task(keep_touching(file, is_well))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _serve(parts: Parts, stop: asyncio.Event) -> None:
    inbox = Inbox(parts, make_dispatcher())
    notifier, leader, server = Notifier(parts), Leader(parts), Server(parts)
    await inbox.start()
    await notifier.start()
    if parts.settings.telegram_webhook_url:
        parts.health.enter("webhook")
        await server.start()
    elif parts.settings.bot_port:
        try:
            await server.start()
        except OSError as error:
            log.warning("no_health_address", port=parts.settings.bot_port, error=str(error))
    await leader.start()
    notify("READY=1")
    log.info("bot_ready", state=parts.health.state, queue=parts.settings.backend)
    await stop.wait()
    notify("STOPPING=1")
    log.info("bot_drains")
    # First nothing new comes in, then what is here is finished; what is not is kept, and handled by the next process.
    await server.close()
    await leader.close()
    await asyncio.gather(inbox.close(DRAIN_S), notifier.close(DRAIN_S))
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            await parts.intake.drain()
            await parts.publisher.drain()


async def make_parts(settings: Settings, token: str, stack: AsyncExitStack) -> Parts:
    """All parts of the process, closed with the stack; waits for neither queue nor database."""
    server = TelegramAPIServer.from_base(settings.telegram_api_url)
    defaults = DefaultBotProperties(parse_mode="HTML", link_preview_is_disabled=True)
    bot = Bot(token, session=AiohttpSession(api=server), default=defaults)
    stack.push_async_callback(bot.session.close)
    database = await open_database(settings, stack, NAME, connections_max=settings.database_connections_max)
    relaxed = await open_database(settings, stack, NAME, connections_max=RELAXED_CONNECTIONS_MAX, durable=False)
    queue = await open_queue(settings, stack, NAME)
    catalog = Catalog(database)
    publisher = Publisher(relaxed, queue, catalog.batch_size)
    intake = Intake(database, publisher)
    return Parts(
        settings=settings,
        database=database,
        queue=queue,
        catalog=catalog,
        publisher=publisher,
        intake=intake,
        predictor=Predictor(database, catalog, intake, limits_of(settings)),
        sender=Sender(bot, Pace(settings.telegram_messages_per_s_max)),
        health=Health(),
    )
