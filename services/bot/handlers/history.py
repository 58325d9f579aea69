"""What was asked: pages, one prediction, again, cancel."""

from __future__ import annotations

import secrets
from typing import BinaryIO
from uuid import UUID

import orjson
from aiogram import F, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message

from ml_service.domain.errors import AlreadyFinished, NotFound
from ml_service.domain.predictions import Prediction
from ml_service.storage.history import LAST_ID
from ml_service.usecases import predictions, telegram
from ml_service.usecases.batch_results import BatchState
from services.bot import submitting
from services.bot.sender import PATIENCE_S
from services.bot.talk import Talk
from services.bot.views import answers, batches, files
from services.bot.views import history as views
from services.bot.views.view import View


async def history(_message: Message, talk: Talk) -> None:
    """Show the newest page."""
    await talk.say(await _page(talk, "all", 0, ""))


async def turn(query: CallbackQuery, talk: Talk) -> None:
    """Go to another page or filter."""
    _, wanted, page, way = (query.data or "").split(":")
    await talk.pop_up()
    await talk.show(await _page(talk, wanted, int(page), way))


async def _page(talk: Talk, wanted: str, page: int, way: str) -> View:
    """The page that callback data of `views.place` leads to."""
    wanted = wanted if wanted in views.FILTERS else "all"
    before = after = None
    if way:
        id_ = views.long(way[1:])
        if way[0] == "n":
            after = id_
        else:
            before = id_ if way[0] == "o" else UUID(int=min(id_.int + 1, LAST_ID.int))
    async with talk.deps.database.autocommit() as session:
        found = await telegram.history_page(
            session, talk.chat, views.FILTERS[wanted], size=views.PAGE_SIZE, before=before, after=after
        )
    return views.history(talk.t, found, wanted=wanted, page=page if found.newer_after is not None else 0)


def _back(wanted: str, page: str, first: str) -> str:
    return views.place(wanted, int(page), "f", views.long(first)) if int(page) else views.place(wanted, 0)


async def open_(query: CallbackQuery, talk: Talk) -> None:
    """Show one prediction in the place of the page."""
    _, id_, wanted, page, first = (query.data or "").split(":")
    found = await _get(talk, views.long(id_).hex)
    await talk.pop_up()
    await talk.show(answers.answer(talk.t, found, nonce=_nonce(), back=_back(wanted, page, first)))


async def again(query: CallbackQuery, talk: Talk) -> None:
    """Ask the same once more. Each button asks once, however often it is tapped; then it becomes a new button."""
    _, id_, nonce = (query.data or "").split(":")
    found = await _get(talk, id_)
    if found.is_erased:  # since the button was made
        await talk.pop_up(talk.t.plain("text-erased"))
    else:
        key = f"telegram:{talk.chat.chat_id}:again:{talk.message_id}:{found.id.hex}:{nonce}"
        await submitting.submit(talk, found.model, [orjson.loads(found.input)], key=key)
        await talk.pop_up(talk.t.plain("again-done"))
    buttons = query.message.reply_markup if isinstance(query.message, Message) else None
    rows = [row.copy() for row in buttons.inline_keyboard] if buttons else []
    backs = [button.callback_data for row in rows for button in row if (button.callback_data or "")[:8] == "history:"]
    fresh = answers.answer(talk.t, found, nonce=_nonce(), back=backs[0] if backs else None)
    await talk.deps.sender.edit_buttons(talk.chat.chat_id, talk.message_id, fresh.keyboard)


async def cancel(query: CallbackQuery, talk: Talk) -> None:
    """Cancel an unfinished prediction; its message changes as for any other end."""
    found = await _get(talk, (query.data or "").partition(":")[2])
    try:
        async with talk.deps.database.begin() as session:
            await predictions.cancel(session, found.user_id, found.id)
    except AlreadyFinished:
        await talk.pop_up(talk.t.plain("error-already_finished"))
        return
    talk.deps.answered.set()
    await talk.pop_up(talk.t.plain("canceled-popup"))


async def _get(talk: Talk, id_: str) -> Prediction:
    try:
        prediction_id = UUID(hex=id_)
    except ValueError:
        raise NotFound("There is no such prediction.") from None
    async with talk.deps.database.autocommit() as session:
        return await telegram.get(session, talk.chat, prediction_id)


def _nonce() -> str:
    return secrets.token_hex(3)


async def open_batch(query: CallbackQuery, talk: Talk) -> None:
    """Show a batch in the place of the page."""
    _, id_, wanted, page, first = (query.data or "").split(":")
    state = await _state(talk, views.long(id_))
    await talk.pop_up()
    await talk.show(batches.opened(talk.t, state, _back(wanted, page, first)))


async def batch_file(query: CallbackQuery, talk: Talk) -> None:
    """Send the file of a batch's answers, as they stand, or the next one where they do not fit into one."""
    _, id_, after = f"{query.data}:0".split(":")[:3]
    state = await _state(talk, UUID(hex=id_))
    await talk.pop_up()
    async with talk.deps.reports.written(talk.t, state, after=int(after)) as report:
        await _send_file(talk, report.name, report.file)
    if report.is_full:
        await talk.say(batches.part(talk.t, state, report))


async def _state(talk: Talk, batch_id: UUID) -> BatchState:
    async with talk.deps.database.autocommit() as session:
        return await telegram.get_batch(session, talk.chat, batch_id)


async def file(query: CallbackQuery, talk: Talk) -> None:
    """Send the whole output as a file."""
    found = await _get(talk, (query.data or "").partition(":")[2])
    if found.is_erased:
        await talk.pop_up(talk.t.plain("text-erased"))
        return
    await talk.pop_up()
    await _send_file(talk, *files.output(talk.t, found))


async def _send_file(talk: Talk, name: str, content: bytes | BinaryIO) -> None:
    await talk.deps.sender.send_file(
        talk.chat.chat_id, name, content, reply_to=talk.message_id, thread_id=talk.thread_id, patience_s=PATIENCE_S
    )


def make_router() -> Router:
    """The handlers of this topic."""
    router = Router(name="history")
    router.message.register(history, Command("history", ignore_case=True))
    router.callback_query.register(turn, F.data.regexp(r"^history:[a-z]+:\d{1,5}:([fno][\w-]{22})?$"))
    router.callback_query.register(open_, F.data.regexp(r"^open:[\w-]{22}:[a-z]+:\d{1,5}:[\w-]{22}$"))
    router.callback_query.register(again, F.data.regexp(r"^again:[0-9a-f]{32}:\w{1,12}$"))
    router.callback_query.register(cancel, F.data.regexp(r"^cancel:[0-9a-f]{32}$"))
    router.callback_query.register(open_batch, F.data.regexp(r"^openb:[\w-]{22}:[a-z]+:\d{1,5}:[\w-]{22}$"))
    router.callback_query.register(batch_file, F.data.regexp(r"^batchfile:[0-9a-f]{32}(:\d{1,8})?$"))
    router.callback_query.register(file, F.data.regexp(r"^file:[0-9a-f]{32}$"))
    return router
