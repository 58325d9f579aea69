"""Joining a chat with an account of the API, and leaving it."""

from __future__ import annotations

from aiogram import Router
from aiogram.filters import Command, CommandObject
from aiogram.types import Message

from ml_service.domain.errors import InvalidInput
from ml_service.usecases import ledger, telegram
from services.bot.talk import Talk


async def join(talk: Talk, code: str) -> None:
    """Redeem a code: the account that made it pays from now on, and this chat's credits move to it."""
    database, t = talk.parts.database, talk.t
    async with database.autocommit() as session:
        await telegram.check_link_rate(session, talk.chat.chat_id)
    try:
        async with database.begin() as session:
            chat, moved = await telegram.link(session, talk.chat, code)
    except InvalidInput:
        await talk.say(t("link-wrong"))
        return
    async with database.autocommit() as session:
        has = await ledger.balance(session, chat.user_id)
    await talk.say(
        t(
            "link-done",
            username=chat.username,
            moved=t("credits", count=moved),
            balance=t("credits", count=has.balance),
        )
    )


async def link(_message: Message, command: CommandObject, talk: Talk) -> None:
    """Redeem a code, or say how to get one."""
    if command.args:
        await join(talk, command.args.strip())
    elif talk.chat.is_linked:
        await talk.say(talk.t("link-already", username=talk.chat.username))
    else:
        await talk.say(talk.t("link-how"))


async def unlink(_message: Message, talk: Talk) -> None:
    """Let the chat's own account pay again."""
    if not talk.chat.is_linked:
        await talk.say(talk.t("unlink-none"))
        return
    async with talk.parts.database.begin() as session:
        await telegram.unlink(session, talk.chat)
        has = await ledger.balance(session, talk.chat.own_user_id)
    await talk.say(talk.t("unlinked", balance=talk.t("credits", count=has.balance)))


def make_router() -> Router:
    """The handlers of this topic."""
    router = Router(name="link")
    router.message.register(link, Command("link"))
    router.message.register(unlink, Command("unlink"))
    return router
