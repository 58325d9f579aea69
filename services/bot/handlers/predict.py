"""Asking by /predict or by plain text; and what to do with everything else."""

from __future__ import annotations

import msgspec
from aiogram import F, Router
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message

from ml_service.domain.fields import is_text_only, plain_field
from services.bot import submitting
from services.bot.handlers import batch, files, models
from services.bot.raw_updates import has_content
from services.bot.talk import Talk


async def predict(message: Message, command: CommandObject, talk: Talk) -> None:
    """Ask with the text behind the command, or with the picture above it; without one, ask for it."""
    if await files.take(message, talk):
        return
    talk.dialog = None
    if command.args:
        await ask_text(talk, command.args)
        return
    spec = (await talk.listed()).spec
    if is_text_only(spec):
        talk.dialog = {"kind": "text"}
        await talk.say(talk.t("predict-ask", model=spec.name))
    else:
        await models.begin_form(talk, spec.name)


async def ask_text(talk: Talk, text: str) -> None:
    """Ask the chosen model with a text, or with the JSON of its fields; one that needs a form begins it."""
    spec = (await talk.listed()).spec
    value = _json_object(text)
    if value is None or is_text_only(spec):
        field = plain_field(spec)
        if field is None or field.is_file:
            await models.begin_form(talk, spec.name, text)
            return
        value = {field.name: text}
    await submitting.submit_checked(talk, spec, value)


async def cancel(_message: Message, talk: Talk) -> None:
    """Drop a half-finished question."""
    t = talk.t
    await talk.say(t("nothing-to-cancel" if talk.dialog is None else "dialog-canceled"))
    talk.dialog = None


async def any_text(message: Message, talk: Talk) -> None:
    """A text without a command, or the words under a picture: what was asked for last, else a prediction."""
    if await files.take(message, talk):
        return
    text = message.text or message.caption or ""
    kind = (talk.dialog or {}).get("kind")
    if text.startswith("/"):
        await talk.say(talk.t("unknown-command"))
    elif kind == "form":
        await models.fill_in(talk, text)
    elif kind == "batch":
        await batch.ask_lines(talk, text)
    else:
        talk.dialog = None
        await ask_text(talk, text)


async def edited(message: Message, talk: Talk) -> None:
    """A message was changed afterwards: what was submitted stays as it was."""
    if message.text or message.caption:
        await talk.say(talk.t("edited"))


async def anything(message: Message, talk: Talk) -> None:
    """A picture, a voice, a sticker. What Telegram itself says (pinned, a new wallpaper) is nobody's question."""
    if await files.take(message, talk):
        return
    if has_content(message):
        await talk.say(talk.t("not-understood"), reply=True)


async def any_tap(_query: CallbackQuery, talk: Talk) -> None:
    """A button that no longer means anything."""
    await talk.pop_up()


def _json_object(text: str) -> dict[str, object] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def make_router() -> Router:
    """The handlers of this topic; the last ones take all that is left."""
    router = Router(name="predict")
    router.message.register(predict, Command("predict", ignore_case=True))
    router.message.register(cancel, Command("cancel", ignore_case=True))
    router.message.register(any_text, F.text | F.caption)
    router.message.register(anything)
    router.edited_message.register(edited)
    router.callback_query.register(any_tap)
    return router
