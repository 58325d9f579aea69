"""Linking a chat to an account of the API, and unlinking it."""

from __future__ import annotations

import re

from aiogram import F, Router
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message

from ml_service.domain.errors import InvalidInput
from ml_service.storage import chats
from ml_service.usecases import ledger, telegram
from services.bot.phrases import Html
from services.bot.talk import Talk
from services.bot.views import menus
from services.bot.views.view import View

NUMBER_CHARS = 16
CODE = re.compile(r"[A-Za-z0-9_-]{16}")


def is_code(text: str) -> bool:
    """Whether a deep link's parameter looks like a code; others (where somebody came from) are not for us."""
    return CODE.fullmatch(text) is not None


async def offer(talk: Talk, code: str) -> None:
    """Say whose account the code is for, and ask: a stranger's deep link would link the chat to the stranger's account.

    The question is the chat's own dialog, so no other chat can answer it, and it ends with the next one.
    """
    database = talk.deps.database
    async with database.autocommit() as session:
        await telegram.check_link_rate(session, talk.chat.chat_id)
    talk.dialog = None
    try:
        async with database.autocommit() as session:
            found = None
            if not await telegram.is_linked_by(session, talk.chat, code):
                found = await telegram.look_at_code(session, code)
    except InvalidInput:
        await talk.say(talk.t("link-wrong"))
        return
    if found is None:
        await talk.say(talk.t("link-already", username=talk.chat.username))
        return
    username, code_hash = found
    talk.dialog = {"kind": "link", "hash": code_hash.hex()}
    await talk.say(menus.link(talk.t, username, talk.chat.own_balance, code_hash.hex()[:NUMBER_CHARS]))


async def decide(query: CallbackQuery, talk: Talk) -> None:
    """Link, or do not: only as an answer to the question that is open in this chat."""
    _, said, number = (query.data or "").split(":")
    dialog = talk.dialog or {}
    if dialog.get("kind") != "link" or dialog["hash"][:NUMBER_CHARS] != number:
        await talk.pop_up(talk.t.plain("link-old"))
        return
    talk.dialog = None
    await talk.pop_up()
    if said == "no":
        await talk.show(View(talk.t("link-dropped")))
        return
    await talk.show(View(await _link(talk, bytes.fromhex(dialog["hash"]))))


async def _link(talk: Talk, code_hash: bytes) -> Html:
    """The account that made the code pays from now on, and this chat's credits move to it."""
    database, t = talk.deps.database, talk.t
    try:
        async with database.begin() as session:
            chat, moved = await telegram.link(session, talk.chat, code_hash)
    except InvalidInput:
        return t("link-wrong")
    async with database.autocommit() as session:
        has = await ledger.balance(session, chat.user_id)
    moved_text, balance_text = t("credits", count=moved), t("credits", count=has.balance)
    return t("link-done", username=chat.username, moved=moved_text, balance=balance_text)


async def link(_message: Message, command: CommandObject, talk: Talk) -> None:
    """Ask about a code, or say how to get one."""
    if command.args:
        await offer(talk, command.args.strip())
    elif talk.chat.is_linked:
        await talk.say(talk.t("link-already", username=talk.chat.username))
    else:
        await talk.say(talk.t("link-how"))


async def unlink(_message: Message, talk: Talk) -> None:
    """Let the chat's own account pay again."""
    if not talk.chat.is_linked:
        await talk.say(talk.t("unlink-none"))
        return
    async with talk.deps.database.begin() as session:
        await telegram.unlink(session, talk.chat)
        has = await ledger.balance(session, talk.chat.own_user_id)
    await talk.say(talk.t("unlinked", balance=talk.t("credits", count=has.balance)))


async def notify(_message: Message, talk: Talk) -> None:
    """Ask whether answers to requests by the API are to come to this chat."""
    await talk.say(menus.notify(talk.t) if talk.chat.is_linked else talk.t("notify-none"))


async def set_notify(query: CallbackQuery, talk: Talk) -> None:
    """Keep the account's preference."""
    await talk.pop_up()
    if not talk.chat.is_linked:
        await talk.show(View(talk.t("notify-none")))
        return
    is_on = query.data == "notify:on"
    async with talk.deps.database.autocommit() as session:
        await chats.set_notify(session, talk.chat.user_id, is_on=is_on)
    await talk.show(View(talk.t("notify-on" if is_on else "notify-off")))


def make_router() -> Router:
    """The handlers of this topic."""
    router = Router(name="link")
    router.message.register(link, Command("link", ignore_case=True))
    router.message.register(unlink, Command("unlink", ignore_case=True))
    router.callback_query.register(decide, F.data.regexp(r"^link:(yes|no):[0-9a-f]{16}$"))
    router.message.register(notify, Command("notify", ignore_case=True))
    router.callback_query.register(set_notify, F.data.in_({"notify:on", "notify:off"}))
    return router
