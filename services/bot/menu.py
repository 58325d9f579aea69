"""The menu of commands, in each language, and in the one that a chat has chosen."""

from __future__ import annotations

import structlog
from aiogram.methods import SetMyCommands
from aiogram.types import BotCommand, BotCommandScopeChat

from services.bot.deps import Deps
from services.bot.failures import is_away, what_failed
from services.bot.phrases import phrases

log = structlog.get_logger()

COMMANDS = (
    "start", "predict", "batch", "history", "balance", "models", "link", "notify", "language", "cancel", "stop",
    "delete_me", "help",
)  # fmt: skip


def commands(language: str) -> list[BotCommand]:
    """The menu in a language."""
    t = phrases(language)
    return [BotCommand(command=name, description=t.plain(f"command-{name}")) for name in COMMANDS]


async def set_menu(deps: Deps, chat_id: int, language: str) -> None:
    """Show a chat its menu in the language that it chose; not worth a second try."""
    method = SetMyCommands(commands=commands(language), scope=BotCommandScopeChat(chat_id=chat_id))
    try:
        await deps.sender.bot(method, request_timeout=10)
    except Exception as error:
        if not is_away(error):
            raise
        log.info("menu_not_set", chat_id=chat_id, error=what_failed(error))
