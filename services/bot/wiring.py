"""Wires the bot, starts and stops its parts in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import structlog
from aiogram import Bot
from aiogram.client.default import DefaultBotProperties
from aiogram.client.telegram import TelegramAPIServer

from ml_service.background.relay import Relay
from ml_service.platform.health_file import keep_health_file_fresh
from ml_service.platform.sd_notify import notify
from ml_service.platform.settings.bot import BotSettings
from ml_service.usecases.admission import Admission
from ml_service.usecases.bulk import Bulk
from ml_service.usecases.group_commit import GroupCommit
from ml_service.usecases.models import Catalog
from ml_service.usecases.submissions import Submitter
from ml_service.wiring import bulk_limits_of, limits_of, open_database, open_queue
from services.bot.backlog import Backlog
from services.bot.batch_reports import BatchReports
from services.bot.deliverer import Deliverer
from services.bot.deps import Deps
from services.bot.duties import make_leader
from services.bot.failures import TelegramHttp
from services.bot.handlers import make_dispatcher
from services.bot.health import BotHealth
from services.bot.inbox import Inbox
from services.bot.metrics import BotMetrics
from services.bot.presence import BotPresence
from services.bot.sender import Sender
from services.bot.telegram_webhook import WebhookServer
from services.bot.write_limits import Pace

log = structlog.get_logger()

NAME = "ml-service bot"
DRAIN_S = 10.0
RELAXED_CONNECTIONS_MAX = 2
"""For the relay's deletes, which need not wait for the disk."""


async def run(settings: BotSettings) -> None:
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
        deps = await make_deps(settings, token, stack)
        await stack.enter_async_context(_touching(settings.alive_file, lambda: deps.health.is_well))
        await deps.catalog.start()
        stack.push_async_callback(deps.catalog.close)
        await _serve(deps, stop)
    log.info("bot_stopped")


@asynccontextmanager
async def _touching(file: Path | None, is_well: Callable[[], bool]) -> AsyncIterator[None]:
    task = asyncio.create_task(keep_health_file_fresh(file, is_well))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _serve(deps: Deps, stop: asyncio.Event) -> None:
    inbox = Inbox(deps, make_dispatcher())
    presence = BotPresence(deps, inbox.renew)
    deliverer, leader, server = Deliverer(deps), make_leader(deps), WebhookServer(deps)
    await presence.start()
    await inbox.start()
    await deliverer.start()
    if deps.settings.telegram_webhook_url:
        deps.health.enter("webhook")
        await server.start()
    elif deps.settings.bot_port:
        try:
            await server.start()
        except OSError as error:
            log.warning("no_health_address", port=deps.settings.bot_port, error=str(error))
    await leader.start()
    notify("READY=1")
    log.info("bot_ready", state=deps.health.state, queue=deps.settings.backend)
    await stop.wait()
    notify("STOPPING=1")
    log.info("bot_drains")
    # First nothing new comes in, then what is here is finished; what is not is kept, and handled by the next process.
    await server.close()
    await leader.close()
    await asyncio.gather(inbox.close(DRAIN_S), deliverer.close(DRAIN_S))
    await presence.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            await deps.commits.drain()
            await deps.relay.drain()


async def make_deps(settings: BotSettings, token: str, stack: AsyncExitStack) -> Deps:
    """What handlers depend on, closed with the stack; waits for neither queue nor database."""
    server = TelegramAPIServer.from_base(settings.telegram_api_url)
    defaults = DefaultBotProperties(parse_mode="HTML", link_preview_is_disabled=True)
    bot = Bot(token, session=TelegramHttp(api=server), default=defaults)
    stack.push_async_callback(bot.session.close)
    database = await open_database(settings, stack, NAME, connections_max=settings.database_connections_max)
    relaxed = await open_database(settings, stack, NAME, connections_max=RELAXED_CONNECTIONS_MAX, durable=False)
    queue = await open_queue(settings, stack, NAME)
    catalog = Catalog(database)
    relay = Relay(relaxed, queue, catalog.batch_size)
    commits = GroupCommit(database, relay.send)
    admission = Admission(settings.queued_predictions_max)
    metrics = BotMetrics()
    return Deps(
        settings=settings,
        database=database,
        queue=queue,
        catalog=catalog,
        relay=relay,
        commits=commits,
        admission=admission,
        submitter=Submitter(database, catalog, commits, admission, limits_of(settings), settings.default_model),
        bulk=Bulk(database, catalog, bulk_limits_of(settings), settings.default_model),
        sender=Sender(bot, Pace(settings.telegram_messages_per_s_max), metrics),
        health=BotHealth(),
        metrics=metrics,
        backlog=Backlog(database, admission),
        reports=BatchReports(database),
    )
