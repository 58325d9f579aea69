"""Many texts at once, as lines of a message or as a file: what was understood is shown first, and only a yes costs."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from typing import Any
from uuid import UUID

import orjson
from aiogram import F, Router
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message

from ml_service.domain.models import ListedModel
from ml_service.domain.tables import NotATable
from ml_service.usecases import ledger, telegram
from services.bot import submitting
from services.bot.downloads import NotDownloaded, download, is_readable, is_table
from services.bot.handlers import files
from services.bot.phrases import cut
from services.bot.submitting import ConfirmedBatch
from services.bot.tables import (
    FILE_BYTES_MAX,
    ROWS_MAX,
    NotText,
    Table,
    TooManyRows,
    read_lines,
    read_table,
    text_of,
)
from services.bot.talk import Dialog, Talk
from services.bot.views import batches
from services.bot.views.view import View

NUMBER_BYTES = 4


async def batch(_message: Message, command: CommandObject, talk: Talk) -> None:
    """Take the lines behind the command; without any, wait for them."""
    if command.args:
        await ask_lines(talk, command.args)
        return
    talk.dialog = {"kind": "batch"}
    await talk.say(talk.t("batch-ask"))


async def ask_lines(talk: Talk, text: str) -> None:
    """Ask whether each line of a text is to be submitted."""
    await _ask(talk, {"text": text, "message": talk.message_id})


async def document(message: Message, talk: Talk) -> None:
    """Ask whether each line, or row, of a file is to be submitted; a model that takes files gets it as it is."""
    if await files.take(message, talk):
        return
    found = message.document
    assert found is not None  # noqa: S101  the filter says so
    if not is_readable(found):
        await talk.say(talk.t("batch-file-kind"), reply=True)
    elif (found.file_size or 0) > FILE_BYTES_MAX:
        await talk.say(talk.t("batch-file-too-big", megabytes=FILE_BYTES_MAX // 1_000_000), reply=True)
    else:
        source: Dialog = {
            "file": found.file_id,
            "name": cut(found.file_name or "", 100),
            "is_table": is_table(found),
            "message": talk.message_id,
            "is_album": message.media_group_id is not None,
        }
        await _ask(talk, source)


async def _ask(talk: Talk, source: Dialog, column: str | None = None, model: str | None = None) -> None:
    """Read the texts, and ask with what was understood. Nothing is charged here."""
    talk.dialog = None
    listed = await talk.listed(model)
    table = await _read(talk, source, listed, column)
    if table is None:
        return
    t = talk.t
    if table.errors and not table.inputs:
        await talk.say(batches.errors(t, table.errors), reply=True)
    elif not table.inputs:
        await talk.say(t("batch-empty"), reply=True)
    else:
        await _question(talk, source, listed, table, column)


async def _question(talk: Talk, source: Dialog, listed: ListedModel, table: Table, column: str | None) -> None:
    number, cost = secrets.token_hex(NUMBER_BYTES), listed.price_credits * len(table.inputs)
    async with talk.deps.database.autocommit() as session:
        has = await ledger.balance(session, talk.chat.user_id)
    view = batches.question(
        talk.t,
        table,
        model=listed.spec.name,
        name=source.get("name"),
        cost=cost,
        balance=has.balance,
        number=number,
        note=talk.t("batch-one-file") if source.get("is_album") else None,
    )
    talk.dialog = {
        "kind": "batch-question",
        "number": number,
        "model": listed.spec.name,
        "source": source,
        "column": column,
        "columns": list(table.columns),
        "cost": cost,
        "hash": _hash(table),
    }
    if talk.query_id is None:
        await talk.say(view, reply=True)
    else:
        await talk.show(view)


async def _read(talk: Talk, source: Dialog, listed: ListedModel, column: str | None) -> Table | None:
    """The table of a file or a message; None where it is no table, which was said."""
    t, spec = talk.t, listed.spec
    rows_max = min(ROWS_MAX, talk.deps.settings.bulk_lines_max)  # more than a batch takes goes as a bulk job
    try:
        if "file" not in source:
            return read_lines(t, source["text"], spec, rows_max=_batch_max(talk))
        content = await download(talk, source["file"])
        if len(content) > FILE_BYTES_MAX:
            await talk.say(t("batch-file-too-big", megabytes=FILE_BYTES_MAX // 1_000_000), reply=True)
            return None
        text = await asyncio.to_thread(text_of, content)
        if source["is_table"]:
            return await asyncio.to_thread(read_table, t, text, spec, column=column, rows_max=rows_max)
        return await asyncio.to_thread(read_lines, t, text, spec, rows_max=rows_max)
    except NotDownloaded:
        await talk.say(t("batch-file-not-fetched"), reply=True)
    except TooManyRows as error:
        await talk.say(t("batch-too-many", max=error.rows_max), reply=True)
    except NotText:
        await talk.say(t("batch-file-not-text"), reply=True)
    except NotATable as wrong:
        fields = cut(", ".join(wrong.fields), 300)
        await talk.say(t("batch-needs-text", model=spec.name, fields=fields), reply=True)
    return None


async def decide(query: CallbackQuery, talk: Talk) -> None:
    """Submit, drop, or take another column: only as an answer to the question that is open in this chat."""
    _, said, number = (query.data or "").split(":")
    dialog = talk.dialog or {}
    if dialog.get("kind") != "batch-question" or dialog["number"] != number:
        await talk.pop_up(talk.t.plain("form-old"))
        return
    await talk.pop_up()
    if said == "no":
        talk.dialog = None
        await talk.show(View(talk.t("batch-dropped")))
    elif said == "yes":
        await _submit(talk, dialog)
    else:
        columns: list[str] = dialog["columns"]
        column = columns[int(said)] if int(said) < len(columns) else None
        await _ask(talk, dialog["source"], column, dialog["model"])


async def _submit(talk: Talk, dialog: dict[str, Any]) -> None:
    """Submit what was shown. What is different now (the price, the model's schema) is asked about again."""
    key = f"telegram:{talk.chat.chat_id}:batch:{dialog['number']}"
    asked = ConfirmedBatch(key, dialog["source"]["message"])
    if await submitting.resume(talk, key, asked):
        return
    listed = await talk.listed(dialog["model"])
    table = await _read(talk, dialog["source"], listed, dialog["column"])
    if table is None:
        talk.dialog = None
        return
    if _hash(table) != dialog["hash"] or listed.price_credits * len(table.inputs) != dialog["cost"]:
        await _ask(talk, dialog["source"], dialog["column"], dialog["model"])
        return
    if len(table.inputs) > _batch_max(talk):
        await submitting.submit_file(talk, listed.spec.name, table.inputs, asked)
    else:
        await submitting.submit(talk, listed.spec.name, table.inputs, batch=asked)
    talk.dialog = None


async def cancel(query: CallbackQuery, talk: Talk) -> None:
    """Cancel what is unfinished of a batch; its message changes when all of it has ended."""
    batch_id = UUID(hex=(query.data or "").partition(":")[2])
    count = await telegram.cancel_batch(talk.deps.database, talk.chat, batch_id)
    talk.deps.answered.set()
    t = talk.t
    await talk.pop_up(t.plain("batch-canceled", count=count) if count else t.plain("error-already_finished"))


def _batch_max(talk: Talk) -> int:
    return talk.deps.settings.batch_items_max


def _hash(table: Table) -> str:
    return hashlib.sha256(orjson.dumps(table.inputs)).hexdigest()


def make_router() -> Router:
    """The handlers of this topic."""
    router = Router(name="batch")
    router.message.register(document, F.document)
    router.message.register(batch, Command("batch", ignore_case=True))
    router.callback_query.register(decide, F.data.regexp(r"^batch:(yes|no|\d{1,3}):[0-9a-f]{8}$"))
    router.callback_query.register(cancel, F.data.regexp(r"^cancelbatch:[0-9a-f]{32}$"))
    return router
