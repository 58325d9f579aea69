"""Many texts at once: the lines of a message, or a .txt or .csv file."""

from __future__ import annotations

import io

import structlog
from aiogram import F, Router
from aiogram.filters import Command, CommandObject
from aiogram.types import Document, Message

from services.bot import asking
from services.bot.phrases import cut
from services.bot.sender import Later, away, what_failed
from services.bot.tables import NotATable, inputs_of_lines, inputs_of_table, text_of
from services.bot.talk import Talk

log = structlog.get_logger()

FILE_BYTES_MAX = 1_000_000
DOWNLOAD_S_MAX = 30


async def batch(_message: Message, command: CommandObject, talk: Talk) -> None:
    """Ask with the lines behind the command; without any, ask for them."""
    if command.args:
        await ask_lines(talk, command.args)
        return
    talk.dialog = {"kind": "batch"}
    await talk.say(talk.t("batch-ask"))


async def ask_lines(talk: Talk, text: str) -> None:
    """Ask with each line of a text."""
    await _ask(talk, text, is_table=False)


async def document(message: Message, talk: Talk) -> None:
    """Ask with each line, or row, of a file."""
    found = message.document
    assert found is not None  # noqa: S101  the filter says so
    name = (found.file_name or "").lower()
    if not name.endswith((".txt", ".csv")):
        await talk.say(talk.t("batch-file-kind"), reply=True)
    elif (found.file_size or 0) > FILE_BYTES_MAX:
        await talk.say(talk.t("batch-file-too-big", kilobytes=FILE_BYTES_MAX // 1000), reply=True)
    else:
        content = await _download(talk, found)
        if len(content) > FILE_BYTES_MAX:
            await talk.say(talk.t("batch-file-too-big", kilobytes=FILE_BYTES_MAX // 1000), reply=True)
            return
        await _ask(talk, text_of(content), is_table=name.endswith(".csv"))


async def _download(talk: Talk, found: Document) -> bytes:
    content = io.BytesIO()
    try:
        await talk.parts.sender.bot.download(found, destination=content, timeout=DOWNLOAD_S_MAX)
    except Exception as error:
        if not away(error) and "ClientError" not in [base.__name__ for base in type(error).__mro__]:
            raise
        log.warning("file_not_downloaded", error=what_failed(error))
        raise Later(1.0, what_failed(error)) from error
    return content.getvalue()


async def _ask(talk: Talk, text: str, *, is_table: bool) -> None:
    spec = (await talk.listed()).spec
    limit = talk.parts.settings.batch_items_max
    try:
        inputs = inputs_of_table(text, spec) if is_table else inputs_of_lines(text, spec)
    except NotATable as wrong:
        fields = cut(", ".join(wrong.fields), 300)
        await talk.say(talk.t("batch-needs-text", model=spec.name, fields=fields), reply=True)
        return
    talk.dialog = None
    if not inputs:
        await talk.say(talk.t("batch-empty"), reply=True)
    elif len(inputs) > limit:
        await talk.say(talk.t("batch-too-many", count=len(inputs), max=limit), reply=True)
    else:
        await asking.ask(talk, spec.name, inputs, is_batch=True)


def make_router() -> Router:
    """The handlers of this topic."""
    router = Router(name="batch")
    router.message.register(batch, Command("batch"))
    router.message.register(document, F.document)
    return router
