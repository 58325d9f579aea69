"""Asking by /predict or by plain text; and what to do with everything else."""

from __future__ import annotations

import orjson
from aiogram import F, Router
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, Message

from services.bot import asking
from services.bot.forms import is_text_only, takes_text
from services.bot.handlers import batch, models
from services.bot.talk import Talk


async def predict(_message: Message, command: CommandObject, talk: Talk) -> None:
    """Ask with the text behind the command; without one, ask for it."""
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
    if value is not None and not is_text_only(spec):
        await asking.ask(talk, spec.name, [value])
    elif takes_text(spec):
        await asking.ask(talk, spec.name, [{"text": text}])
    else:
        await models.begin_form(talk, spec.name)


async def cancel(_message: Message, talk: Talk) -> None:
    """Drop a half-finished question."""
    t = talk.t
    await talk.say(t("nothing-to-cancel" if talk.dialog is None else "dialog-canceled"))
    talk.dialog = None


async def any_text(message: Message, talk: Talk) -> None:
    """A text without a command: what was asked for last, else a prediction."""
    text = message.text or ""
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


async def anything(_message: Message, talk: Talk) -> None:
    """A picture, a voice, a sticker."""
    await talk.say(talk.t("not-understood"))


async def any_tap(_query: CallbackQuery, talk: Talk) -> None:
    """A button that no longer means anything."""
    await talk.pop_up()


def _json_object(text: str) -> dict[str, object] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def make_router() -> Router:
    """The handlers of this topic; the last ones take all that is left."""
    router = Router(name="predict")
    router.message.register(predict, Command("predict"))
    router.message.register(cancel, Command("cancel"))
    router.message.register(any_text, F.text)
    router.message.register(anything)
    router.callback_query.register(any_tap)
    return router
