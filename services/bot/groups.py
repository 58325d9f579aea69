"""Questions in groups: `/predict@bot text` is answered there, as a reply, and paid by the sender.

Off unless TELEGRAM_GROUPS=on. Nothing but this command is read or kept of a group's messages, and answers
show only what was asked for: no balance, no buttons.
"""

from __future__ import annotations

import re

import structlog
from aiogram.types import Message

from ml_service.domain.errors import DatabaseUnavailable, InsufficientCredits, ServiceError
from ml_service.domain.fields import plain_field
from ml_service.storage import chats
from ml_service.storage.updates import Update
from services.bot import schema_errors, submitting
from services.bot.deps import Deps
from services.bot.failures import ChatGone, Refused
from services.bot.phrases import language_of, phrases
from services.bot.talk import Talk
from services.bot.views import menus
from services.bot.views.view import View

log = structlog.get_logger()

_COMMAND = re.compile(r"\s*/\S+\s*")


async def answer(deps: Deps, message: Message, update: Update) -> None:
    """Submit what was asked for in a group, or say there why not.

    Raises:
        Later, DatabaseUnavailable: Handle the update again.
    """
    async with deps.database.autocommit() as session:
        chat = await chats.get(session, update.chat_id)
    group_id = message.chat.id
    thread_id = message.message_thread_id if message.is_topic_message else None
    try:
        if chat is None:  # this person has no account: one is made in a private chat, with a greeting
            t = phrases(language_of(message.from_user.language_code if message.from_user else None))
            first = View(t("group-first", bot=deps.sender.username))
            await deps.sender.send(group_id, first, reply_to=message.message_id, thread_id=thread_id)
            return
        talk = Talk(
            deps,
            chat,
            message.message_id,
            key=f"telegram:{group_id}:{message.message_id}",
            language=chat.language,
            model=chat.model,
            dialog=None,
            thread_id=thread_id,
            group_id=group_id,
            attempts=update.attempts,
        )
        await _ask(talk, _COMMAND.sub("", message.text or "", count=1).strip())
    except (ChatGone, Refused) as error:  # the bot was put out of the group, or may not write in it
        log.info("group_not_answered", group_id=group_id, why=str(error))


async def _ask(talk: Talk, text: str) -> None:
    t = talk.t
    try:
        if talk.attempts > 1 and await submitting.resume(talk, talk.key):
            return
        spec = (await talk.listed()).spec
        field = plain_field(spec)
        if not text:
            await talk.say(t("group-empty", bot=talk.deps.sender.username))
        elif field is None or field.is_file:
            await talk.say(t("group-needs-text", model=spec.name))
        elif wrong := schema_errors.explain(t, spec, {field.name: text}):
            await talk.say(t("error-invalid_input", message="; ".join(wrong)))
        else:
            await submitting.submit(talk, spec.name, [{field.name: text}])
    except DatabaseUnavailable:
        raise
    except InsufficientCredits:
        await talk.say(t("group-no-credits"))
    except ServiceError as problem:
        await talk.say(menus.error(t, problem))
