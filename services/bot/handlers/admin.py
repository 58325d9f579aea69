"""For admins: the service at a glance."""

from __future__ import annotations

from contextlib import suppress

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message

from ml_service.domain.errors import QueueUnavailable
from ml_service.domain.models import DEFAULT_POOL
from ml_service.messaging.queue import QueueDepth
from ml_service.storage import chat_deliveries
from ml_service.usecases import telegram, workers
from services.bot.talk import Talk
from services.bot.views import menus

FAILURES_S = 3600.0
FAILURES_SHOWN = 8
DELIVERIES_COUNT_MAX = 100_000


async def admin(_message: Message, talk: Talk) -> None:
    """Show queue, workers and failures."""
    if not talk.chat.is_admin:
        await talk.say(talk.t("admin-only"))
        return
    async with talk.deps.database.autocommit() as session:
        overview = await workers.overview(session)
        owed = await chat_deliveries.count_open(session, DELIVERIES_COUNT_MAX)
        failures = await telegram.recent_failures(session, seconds=FAILURES_S, limit=FAILURES_SHOWN)
    depth: QueueDepth | None = None
    with suppress(QueueUnavailable):
        depth = await talk.deps.queue.depth(DEFAULT_POOL)
    await talk.say(menus.admin(talk.t, overview, depth, owed, failures))


def make_router() -> Router:
    """The handlers of this topic."""
    router = Router(name="admin")
    router.message.register(admin, Command("admin", ignore_case=True))
    return router
