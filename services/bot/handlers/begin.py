"""Greeting, help, language, and silence."""

from __future__ import annotations

from aiogram import F, Router
from aiogram.filters import Command, CommandObject, CommandStart
from aiogram.types import CallbackQuery, Message

from ml_service.domain.errors import ModelNotFound
from ml_service.storage import chats
from ml_service.usecases import ledger
from services.bot.handlers import link
from services.bot.menu import set_menu
from services.bot.phrases import LANGUAGES
from services.bot.talk import Talk
from services.bot.views import menus

NAME_CHARS_MAX = 64


async def start(message: Message, command: CommandObject, talk: Talk) -> None:
    """Greet; a deep link may bring a code that offers to connect the chat to an account."""
    talk.dialog = None
    if command.args and link.is_code(command.args.strip()):
        await link.offer(talk, command.args.strip())
        return
    try:
        price = (await talk.listed()).price_credits
    except ModelNotFound:  # no worker has ever started
        price = 1
    async with talk.deps.database.autocommit() as session:
        has = await ledger.balance(session, talk.chat.user_id)
    name = (message.from_user.first_name if message.from_user else "")[:NAME_CHARS_MAX]
    t = talk.t
    price_text, balance_text = t("credits", count=price), t("credits", count=has.balance)
    await talk.say(t("start", name=name, model=talk.model_name, price=price_text, balance=balance_text))


async def help_(_message: Message, talk: Talk) -> None:
    """Say what there is."""
    await talk.say(talk.t("help"))


async def language(_message: Message, talk: Talk) -> None:
    """Offer the languages."""
    await talk.say(menus.languages(talk.t))


async def choose_language(query: CallbackQuery, talk: Talk) -> None:
    """Speak another language from now on."""
    code = (query.data or "").partition(":")[2]
    if code in LANGUAGES:
        talk.language = code
        await talk.pop_up()
        await talk.say(talk.t("language-chosen"))
        await set_menu(talk.deps, talk.chat.chat_id, code)


async def stop(_message: Message, talk: Talk) -> None:
    """Send nothing more until the person writes again."""
    talk.dialog = None
    async with talk.deps.database.autocommit() as session:
        await chats.set_stopped(session, talk.chat.chat_id)
    await talk.say(talk.t("stopped"))  # afterwards: no answer may follow these words


def make_router() -> Router:
    """The handlers of this topic."""
    router = Router(name="begin")
    router.message.register(start, CommandStart(ignore_case=True))
    router.message.register(help_, Command("help", ignore_case=True))
    router.message.register(language, Command("language", ignore_case=True))
    router.message.register(stop, Command("stop", ignore_case=True))
    router.callback_query.register(choose_language, F.data.startswith("language:"))
    return router
