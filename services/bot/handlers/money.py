"""Balance and transactions."""

from __future__ import annotations

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message

from ml_service.usecases import telegram
from services.bot.talk import Talk
from services.bot.views import menus

CHANGES_SHOWN = 8


async def balance(_message: Message, talk: Talk) -> None:
    """Show what there is, what is held, and what moved."""
    async with talk.deps.database.autocommit() as session:
        has, last = await telegram.balance(session, talk.chat, changes_max=CHANGES_SHOWN)
    await talk.say(menus.balance(talk.t, talk.chat.username, has, last))


def make_router() -> Router:
    """The handlers of this topic."""
    router = Router(name="money")
    router.message.register(balance, Command("balance", ignore_case=True))
    return router
