"""What only one bot process does: receive by polling, and in any case alerts, clean-ups and the bot's profile."""

from __future__ import annotations

import asyncio

import structlog
from aiogram.methods import SetMyCommands, SetMyDescription, SetMyShortDescription, TelegramMethod

from ml_service.background.leader import Duty, Leader
from ml_service.storage import chat_deliveries, link_codes, updates
from services.bot import polling, telegram_webhook
from services.bot.alerts import WorkerAlert
from services.bot.deps import Deps
from services.bot.failures import is_away, what_failed
from services.bot.menu import commands
from services.bot.phrases import DEFAULT_LANGUAGE, LANGUAGES, phrases

log = structlog.get_logger()

BOT_DUTIES_LOCK = 782
"""Key of the advisory lock for the duties of bot processes; with polling there can be only one that receives."""
RETRY_S = 1.0
ALERT_S = 5.0
PURGE_S = 600.0
PROFILE_S = 60.0
"""Between two looks whether the profile is still to be set: Telegram may have been away."""


def is_called(deps: Deps) -> bool:
    """Whether Telegram calls us, so that every process receives."""
    return bool(deps.settings.telegram_webhook_url)


def make_leader(deps: Deps) -> Leader:
    """The election among bot processes, with the duties of the one that leads."""
    if not is_called(deps):
        deps.health.enter("standby")
        log.info("standby", why="until this process is elected to receive")
    profile, alert = Profile(deps), WorkerAlert(deps)
    return Leader(
        deps.database,
        deps.settings.database_url,
        lock_key=BOT_DUTIES_LOCK,
        duties=[
            Duty("receive", lambda: _receive(deps), RETRY_S),
            Duty("set the profile", profile.set, PROFILE_S),
            Duty("alert admins", alert.look, ALERT_S),
            Duty("purge", lambda: _purge(deps), PURGE_S),
        ],
        on_elected=alert.forget,
    )


async def _receive(deps: Deps) -> None:
    if is_called(deps):
        await telegram_webhook.set_webhook(deps)
        await asyncio.Event().wait()  # once in a term is enough
    try:
        await polling.introduce(deps)
        await polling.poll(deps)
    finally:
        deps.health.enter("standby")
        log.info("standby", why="this process receives nothing now")


async def _purge(deps: Deps) -> None:
    async with deps.database.autocommit() as session:
        await updates.purge(session)
        await chat_deliveries.purge(session)
        await link_codes.purge(session)


class Profile:
    """Commands and descriptions in each language, set once in a term, as soon as Telegram takes them."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._unset = _profile()

    async def set(self) -> None:
        """Set what is still to be set: nice to have, so never in the way."""
        for method in list(self._unset):
            try:
                await self._deps.sender.bot(method, request_timeout=10)
            except Exception as error:
                if not is_away(error):
                    raise
                log.info("profile_not_set", method=type(method).__name__, error=what_failed(error))
                return
            self._unset.remove(method)


def _profile() -> list[TelegramMethod[bool]]:
    methods: list[TelegramMethod[bool]] = []
    for language in LANGUAGES:
        t = phrases(language)
        code = None if language == DEFAULT_LANGUAGE else language
        methods.append(SetMyCommands(commands=commands(language), language_code=code))
        methods.append(SetMyShortDescription(short_description=t.plain("profile-about"), language_code=code))
        methods.append(SetMyDescription(description=t.plain("profile-description"), language_code=code))
    return methods
