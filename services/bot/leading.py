"""What only one bot process does: with polling receive, and in any case alerts, clean-ups and the bot's profile.

An advisory lock elects it; another process stands by and takes over when the lock's connection is gone.
"""

from __future__ import annotations

import asyncio
from typing import NoReturn

import structlog
from aiogram.methods import SetMyCommands, SetMyDescription, SetMyShortDescription, TelegramMethod
from aiogram.types import BotCommand

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.storage import telegram, telegram_work
from ml_service.storage.database import Session
from ml_service.usecases import workers
from services.bot import receiving
from services.bot.parts import Parts
from services.bot.phrases import DEFAULT_LANGUAGE, LANGUAGES, phrases
from services.bot.sender import ChatGone, Later, Refused, away, what_failed
from services.bot.views import menus
from services.bot.views.view import View

log = structlog.get_logger()

STANDBY_S = 1.0
ALERT_S = 5.0
NO_WORKER_S = 15.0
"""So long nobody must be alive before admins are woken: a restart is no alert."""
PURGE_S = 600.0
NO_WORKERS = "no_workers"
COMMANDS = (
    "start", "predict", "batch", "history", "balance", "models", "link", "language", "cancel", "stop", "help",
)  # fmt: skip


class Leader:
    """Elects itself and works until it is closed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._task: asyncio.Task[None] | None = None
        self._none_since: float | None = None

    async def start(self) -> None:
        """Begin; does not wait for the database."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Stop, and let another process lead."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> NoReturn:
        settings = self._parts.settings
        while True:
            try:
                async with self._parts.database.own_connection(settings.database_url, "ml-service bot leader") as lock:
                    await self._lead_with(lock)
            except DatabaseUnavailable as error:
                log.warning("database_away", error=error.message)
            except Exception:
                log.exception("leading_failed")
            await asyncio.sleep(STANDBY_S)

    async def _lead_with(self, lock: Session) -> None:
        if not await lock.fetchval("SELECT pg_try_advisory_lock($1)", telegram.BOT_LOCK):
            if self._parts.health.state != "standby" and not is_called(self._parts):
                self._parts.health.enter("standby")  # also who lost the lock to another: that one is heard now
                log.info("standby", why="another bot process receives already")
            return
        log.info("leading")
        if not is_called(self._parts):
            async with self._parts.database.begin() as session:
                await telegram_work.forget_leases(session, self._parts.bot_id)
        work = [asyncio.create_task(part) for part in (self._receive(), self._profile(), self._alert(), self._purge())]
        try:
            while True:
                await lock.fetchval("SELECT 1")  # the lock is ours as long as its connection stands
                done, _ = await asyncio.wait(work, timeout=STANDBY_S, return_when=asyncio.FIRST_EXCEPTION)
                for task in done:
                    task.result()
                work = [task for task in work if not task.done()]
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)

    async def _receive(self) -> None:
        await receiving.introduce(self._parts)
        if is_called(self._parts):
            await receiving.set_webhook(self._parts)
        else:
            await receiving.poll(self._parts)

    async def _profile(self) -> None:
        """Tell Telegram commands and descriptions in both languages: nice to have, so never in the way."""
        methods: list[TelegramMethod[bool]] = []
        for language in LANGUAGES:
            t = phrases(language)
            code = None if language == DEFAULT_LANGUAGE else language
            commands = [BotCommand(command=name, description=t.plain(f"command-{name}")) for name in COMMANDS]
            methods.append(SetMyCommands(commands=commands, language_code=code))
            methods.append(SetMyShortDescription(short_description=t.plain("profile-about"), language_code=code))
            methods.append(SetMyDescription(description=t.plain("profile-description"), language_code=code))
        for method in methods:
            try:
                await self._parts.sender.bot(method, request_timeout=10)
            except Exception as error:
                if not away(error):
                    raise
                log.info("profile_not_set", method=type(method).__name__, error=what_failed(error))

    async def _alert(self) -> NoReturn:
        while True:
            try:
                await self._look_for_workers()
            except DatabaseUnavailable as error:
                log.debug("database_away", error=error.message)
            await asyncio.sleep(ALERT_S)

    async def _look_for_workers(self) -> None:
        now = asyncio.get_running_loop().time()
        async with self._parts.database.autocommit() as session:
            overview = await workers.overview(session)
            if any(worker.is_alive for worker in overview.workers):
                self._none_since = None
                if await telegram.end_alert(session, NO_WORKERS):
                    await self._tell_admins(session, "alert-workers-back", 0)
                return
            self._none_since = self._none_since or now
            if now - self._none_since < NO_WORKER_S:
                return
            await telegram.raise_alert(session, NO_WORKERS)
            if await telegram.unsent_alert(session, NO_WORKERS):
                await self._tell_admins(session, "alert-no-workers", overview.open)
                await telegram.alert_sent(session, NO_WORKERS)

    async def _tell_admins(self, session: Session, key: str, waiting: int) -> None:
        for chat in await telegram.admin_chats(session):
            view = View(menus.alert(chat.language, key, waiting=waiting))
            try:
                await self._parts.sender.send(chat.chat_id, view, patience_s=1.0)
            except (Later, ChatGone, Refused) as error:
                log.warning("alert_not_sent", chat_id=chat.chat_id, why=str(error))

    async def _purge(self) -> NoReturn:
        while True:
            try:
                async with self._parts.database.begin() as session:
                    await telegram.purge(session)
            except DatabaseUnavailable as error:
                log.debug("database_away", error=error.message)
            await asyncio.sleep(PURGE_S)


def is_called(parts: Parts) -> bool:
    """Whether Telegram calls us, so that every process receives."""
    return bool(parts.settings.telegram_webhook_url)
