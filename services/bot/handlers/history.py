"""What was asked: pages, one prediction, again, cancel."""

from __future__ import annotations

import secrets
from uuid import UUID

import orjson
from aiogram import F, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message

from ml_service.domain.errors import AlreadyFinished, NotFound
from ml_service.domain.predictions import Prediction
from ml_service.usecases import predictions, telegram
from services.bot import asking
from services.bot.talk import Talk
from services.bot.views import answers
from services.bot.views import history as views
from services.bot.views.view import View

PAGE_MAX = 1000


async def history(_message: Message, talk: Talk) -> None:
    """Show the newest page."""
    await talk.say(await _page(talk, "all", 0))


async def turn(query: CallbackQuery, talk: Talk) -> None:
    """Go to another page or filter."""
    _, wanted, page = (query.data or "").split(":")
    await talk.pop_up()
    await talk.show(await _page(talk, wanted, int(page)))


async def _page(talk: Talk, wanted: str, page: int) -> View:
    wanted = wanted if wanted in views.FILTERS else "all"
    page = min(max(page, 0), PAGE_MAX)
    async with talk.parts.database.autocommit() as session:
        found, more = await telegram.history_page(
            session, talk.chat, views.FILTERS[wanted], page=page, size=views.PAGE_SIZE
        )
    return views.history(talk.t, found, wanted=wanted, page=page, more=more)


async def open_(query: CallbackQuery, talk: Talk) -> None:
    """Show one prediction in the place of the page."""
    _, id_, wanted, page = (query.data or "").split(":")
    found = await _get(talk, id_)
    await talk.pop_up()
    await talk.show(answers.answer(talk.t, found, nonce=_nonce(), back=views.place(wanted, int(page))))


async def again(query: CallbackQuery, talk: Talk) -> None:
    """Ask the same once more. Each button asks once, however often it is tapped; then it becomes a new button."""
    _, id_, nonce = (query.data or "").split(":")
    found = await _get(talk, id_)
    key = f"telegram:{talk.chat.chat_id}:again:{talk.message_id}:{found.id.hex}:{nonce}"
    await asking.ask(talk, found.model, [orjson.loads(found.input)], key=key)
    await talk.pop_up(talk.t.plain("again-done"))
    buttons = query.message.reply_markup if isinstance(query.message, Message) else None
    rows = [row.copy() for row in buttons.inline_keyboard] if buttons else []
    backs = [button.callback_data for row in rows for button in row if (button.callback_data or "")[:8] == "history:"]
    fresh = answers.answer(talk.t, found, nonce=_nonce(), back=backs[0] if backs else None)
    await talk.parts.sender.edit_buttons(talk.chat.chat_id, talk.message_id, fresh.keyboard)


async def cancel(query: CallbackQuery, talk: Talk) -> None:
    """Cancel an unfinished prediction; its message changes as for any other end."""
    found = await _get(talk, (query.data or "").partition(":")[2])
    try:
        async with talk.parts.database.begin() as session:
            await predictions.cancel(session, found.user_id, found.id)
    except AlreadyFinished:
        await talk.pop_up(talk.t.plain("error-already_finished"))
        return
    talk.parts.answered.set()
    await talk.pop_up(talk.t.plain("canceled-popup"))


async def _get(talk: Talk, id_: str) -> Prediction:
    try:
        prediction_id = UUID(hex=id_)
    except ValueError:
        raise NotFound("There is no such prediction.") from None
    async with talk.parts.database.autocommit() as session:
        return await telegram.get(session, talk.chat, prediction_id)


def _nonce() -> str:
    return secrets.token_hex(3)


def make_router() -> Router:
    """The handlers of this topic."""
    router = Router(name="history")
    router.message.register(history, Command("history"))
    router.callback_query.register(turn, F.data.regexp(r"^history:[a-z]+:\d{1,6}$"))
    router.callback_query.register(open_, F.data.regexp(r"^open:[0-9a-f]{32}:[a-z]+:\d{1,6}$"))
    router.callback_query.register(again, F.data.regexp(r"^again:[0-9a-f]{32}:\w{1,12}$"))
    router.callback_query.register(cancel, F.data.regexp(r"^cancel:[0-9a-f]{32}$"))
    return router
