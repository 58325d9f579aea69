"""Deleting what is kept of a person: asked twice, because there is no way back."""

from __future__ import annotations

import secrets

import orjson
from aiogram import F, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message

from ml_service.usecases import ledger, telegram
from services.bot.talk import Talk
from services.bot.views import menus
from services.bot.views.view import View

NUMBER_BYTES = 4


async def delete_me(_message: Message, talk: Talk) -> None:
    """Say what would be deleted and what stays, and ask."""
    async with talk.deps.database.autocommit() as session:
        has = await ledger.balance(session, talk.chat.own_user_id)
    number = secrets.token_hex(NUMBER_BYTES)
    talk.dialog = {"kind": "delete", "number": number}
    account = talk.chat.username if talk.chat.is_linked else None
    await talk.say(menus.delete(talk.t, has.balance, account, number))


async def decide(query: CallbackQuery, talk: Talk) -> None:
    """Delete, or do not: only as an answer to the question that is open in this chat.

    The deletion itself leaves behind that it was done: the update may be put off before that is said.
    """
    _, said, number = (query.data or "").split(":")
    asked, done = ({"kind": kind, "number": number} for kind in ("delete", "deleted"))
    if talk.dialog not in (asked, done):
        await talk.pop_up(talk.t.plain("delete-old"))
        return
    is_done = talk.dialog == done
    talk.dialog = None
    await talk.pop_up()
    if said == "no" and not is_done:
        await talk.show(View(talk.t("delete-dropped")))
        return
    if not is_done:
        async with talk.deps.database.begin() as session:
            await telegram.start_over(session, talk.chat, orjson.dumps(done).decode())
    talk.model = None
    await talk.show(View(talk.t("delete-done")))


def make_router() -> Router:
    """The handlers of this topic."""
    router = Router(name="delete")
    router.message.register(delete_me, Command("delete_me", ignore_case=True))
    router.callback_query.register(decide, F.data.regexp(r"^delete:(yes|no):[0-9a-f]{8}$"))
    return router
