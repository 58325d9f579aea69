"""Choosing a model, and filling in the form of one that needs more than a text."""

from __future__ import annotations

import secrets
from typing import Any

from aiogram import F, Router
from aiogram.filters import Command
from aiogram.types import CallbackQuery, Message

from ml_service.domain.fields import Field, WrongValue, fields_of, plain_field
from ml_service.domain.models import ModelSpec
from services.bot import schema_errors, submitting
from services.bot.phrases import Html, cut
from services.bot.talk import Talk
from services.bot.views import menus

TAKEN_CHARS_MAX = 100


async def models(_message: Message, talk: Talk) -> None:
    """Show all models with a button for each."""
    await talk.deps.catalog.refresh()
    await talk.say(menus.models(talk.t, talk.deps.catalog.all(), talk.model_name))


async def choose(query: CallbackQuery, talk: Talk) -> None:
    """Ask this model from now on."""
    wanted = (query.data or "").partition(":")[2]
    names = [one.spec.name for one in talk.deps.catalog.all()]
    # Callback data is short: a very long name stands there by its beginning.
    listed = await talk.listed(wanted if wanted in names else next((n for n in names if n.startswith(wanted)), wanted))
    talk.model, talk.dialog = listed.spec.name, None
    field = plain_field(listed.spec)
    how = talk.t("model-how-form" if field is None else "model-how-file" if field.is_file else "model-how-text")
    await talk.pop_up()
    await talk.show(menus.models(talk.t, talk.deps.catalog.all(), talk.model_name))
    await talk.say(talk.t("model-chosen", model=listed.spec.name, how=how))


async def begin_form(talk: Talk, model: str, typed: str = "") -> None:
    """Ask for the fields of a model's input one by one; what was ``typed`` is the first one's value, where it fits."""
    talk.dialog = {"kind": "form", "form": secrets.token_hex(4), "model": model, "number": 0, "values": {}}
    spec = (await talk.listed(model)).spec
    fields = fields_of(spec)
    if not typed or not fields:
        await _next(talk)
        return
    value, wrong = _value_of(talk, spec, fields[0], typed)
    if wrong:
        await _next(talk, talk.t("form-begins", reason=wrong))
        return
    talk.dialog |= {"values": {fields[0].name: value}, "number": 1}
    if len(fields) == 1:  # by the key of this update, so that it is submitted once even if it is handled again
        talk.dialog = None
        await submitting.submit(talk, model, [{fields[0].name: value}])
        return
    await _next(
        talk, talk.t("form-taken", field=cut(fields[0].name, TAKEN_CHARS_MAX), value=cut(typed, TAKEN_CHARS_MAX))
    )


def _value_of(talk: Talk, spec: ModelSpec, field: Field, typed: str) -> tuple[Any, str]:
    """The value of a field that a text gives, and why it gives none (empty: it does)."""
    if field.is_file:
        return None, talk.t.plain("form-no-file")
    try:
        value = field.parse(typed)
    except WrongValue:
        said = schema_errors.explain_field(talk.t, spec, field.name, typed)
        return None, "; ".join(said) or talk.t.plain("schema-other")
    return value, "; ".join(schema_errors.explain_field(talk.t, spec, field.name, value))


async def fill_in(talk: Talk, text: str) -> None:
    """Take a written value; where a file is asked for, it is none."""
    if await is_submitted(talk):
        return
    field = await _field(talk)
    if field is None:
        await _next(talk)
        return
    if field.is_file:
        await talk.say(talk.t("form-file"))
        return
    try:
        value = field.parse(text)
    except WrongValue as wrong:
        await talk.say(talk.t(str(wrong)))
        return
    await take_value(talk, field, value)


async def take_value(talk: Talk, field: Field, value: Any) -> None:
    """Take the value of the field that the form asks for, or say what is wrong with it."""
    spec = (await talk.listed((talk.dialog or {})["model"])).spec
    if wrong_value := schema_errors.explain_field(talk.t, spec, field.name, value):
        await talk.say(talk.t("form-wrong-value", reason="; ".join(wrong_value)))
        return
    await _take(talk, field, value)


async def is_submitted(talk: Talk) -> bool:
    """Whether this update has submitted the open form before it was put off; what it was to do then is done."""
    return talk.attempts > 1 and (talk.dialog or {}).get("kind") == "form" and await submitting.resume(talk, _key(talk))


async def open_file_field(talk: Talk) -> Field | None:
    """The field that the form asks for, where it takes a file."""
    field = await _field(talk) if (talk.dialog or {}).get("kind") == "form" else None
    return field if field is not None and field.is_file else None


async def tap(query: CallbackQuery, talk: Talk) -> None:
    """Take a tapped value; a tap under an old question says so."""
    _, form, number, choice = (query.data or "").split(":")
    dialog = talk.dialog or {}
    is_open = (dialog.get("form"), dialog.get("number")) == (form, int(number))
    if is_open and await is_submitted(talk):
        return
    field = await _field(talk) if is_open else None
    try:
        value = None if field is None or choice == "skip" else field.choice(int(choice))
    except WrongValue:  # the schema has changed since the question
        field = None
    if field is None or (choice == "skip" and field.required):
        await talk.pop_up(talk.t.plain("form-old"))
        return
    await talk.pop_up()
    if choice == "skip":
        dialog["number"] += 1
        await _next(talk)
        return
    await _take(talk, field, value)


async def _field(talk: Talk) -> Field | None:
    dialog = talk.dialog or {}
    fields = fields_of((await talk.listed(dialog["model"])).spec)
    number = dialog["number"]
    return fields[number] if number < len(fields) else None


async def _take(talk: Talk, field: Field, value: Any) -> None:
    assert talk.dialog is not None  # noqa: S101  there is a field only within a form
    talk.dialog["values"][field.name] = value
    talk.dialog["number"] += 1
    await _next(talk)


async def _next(talk: Talk, before: Html | None = None) -> None:
    """Ask for the next field, with what is to be said before it, or ask the model when all are there."""
    dialog = talk.dialog
    assert dialog is not None  # noqa: S101  called within a form
    fields = fields_of((await talk.listed(dialog["model"])).spec)
    if dialog["number"] < len(fields):
        field = fields[dialog["number"]]
        view = menus.form_field(
            talk.t,
            dialog["model"],
            field,
            form=dialog["form"],
            number=dialog["number"],
            total=len(fields),
            before=before,
        )
        await talk.say(view)
        return
    key = _key(talk)
    talk.dialog = None
    await submitting.submit(talk, dialog["model"], [dialog["values"]], key=key)


def _key(talk: Talk) -> str:
    """The Idempotency-Key of the open form."""
    assert talk.dialog is not None  # noqa: S101  called within a form
    return f"telegram:{talk.chat.chat_id}:form:{talk.dialog['form']}"


def make_router() -> Router:
    """The handlers of this topic."""
    router = Router(name="models")
    router.message.register(models, Command("models", ignore_case=True))
    router.callback_query.register(choose, F.data.startswith("model:"))
    router.callback_query.register(tap, F.data.regexp(r"^form:[0-9a-f]{8}:\d{1,4}:(skip|\d{1,4})$"))
    return router
