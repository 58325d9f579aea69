"""Balance and transactions."""

from __future__ import annotations

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message

from ml_service.usecases import ledger
from services.bot.talk import Talk
from services.bot.views import menus

TRANSACTIONS_SHOWN = 8


async def balance(_message: Message, talk: Talk) -> None:
    """Show what there is, what is held, and what moved."""
    async with talk.parts.database.autocommit() as session:
        has = await ledger.balance(session, talk.chat.user_id)
        last, _ = await ledger.statement(
            session, talk.chat.user_id, before=None, kind=None, limit=3 * TRANSACTIONS_SHOWN
        )
    # A capture moves what was held before: the balance does not change, and the person has seen the hold.
    last = [one for one in last if one.change][:TRANSACTIONS_SHOWN]
    await talk.say(menus.balance(talk.t, talk.chat.username, has, last))


def make_router() -> Router:
    """The handlers of this topic."""
    router = Router(name="money")
    router.message.register(balance, Command("balance"))
    return router
