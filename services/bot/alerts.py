"""Tells admins when no worker is alive, and when one is back: each of them once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import structlog

from ml_service.storage import alerts, chats
from ml_service.storage.database import Session
from ml_service.usecases import workers
from services.bot.deps import Deps
from services.bot.failures import ChatGone, Later, Refused
from services.bot.views import menus
from services.bot.views.view import View

log = structlog.get_logger()

NO_WORKER_S = 15.0
"""So long nobody must be alive before admins are woken: a restart is no alert."""
BACK_S = 30.0
"""So long somebody must be alive before they are told: workers that come and go are one alert, not many. One that died
at once counts as alive until its lease ends, so this is more than a lease."""
ADMINS_AT_ONCE = 16
"""Told at the same time: one whose messages hang must not keep the alert from the others."""
NO_WORKERS = "no_workers"
Note = Callable[[Session, str, datetime, int], Awaitable[None]]
"""Writes down that a chat has heard of the alert of this name that began then, or of its end."""


class WorkerAlert:
    """Looks at the workers. Messages are sent outside of every database block: Telegram may be slow."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._none_since: float | None = None
        self._back_since: float | None = None
        # By chat: what it has heard, of the alert that began when, and the database does not know yet. Another leader
        # may have ended that one and begun the next before this process leads again.
        self._unnoted: dict[int, tuple[Note, datetime]] = {}

    def forget(self) -> None:
        """Forget since when workers are there or not: nobody has looked between two terms of a leader."""
        self._none_since = self._back_since = None

    async def look(self) -> None:
        """Look once, and tell those who have not heard; raises DatabaseUnavailable."""
        now = asyncio.get_running_loop().time()
        await self._note()  # while that fails, nobody is told anything again
        async with self._deps.database.autocommit() as session:
            is_alive = any(worker.is_alive for worker in await workers.list_live(session))
        if is_alive:
            self._none_since = None
            self._back_since = now if self._back_since is None else self._back_since
            if now - self._back_since >= BACK_S:
                await self._tell_end()
            return
        self._back_since = None
        self._none_since = now if self._none_since is None else self._none_since
        if now - self._none_since >= NO_WORKER_S:
            await self._tell_begin()

    async def _tell_begin(self) -> None:
        async with self._deps.database.autocommit() as session:
            raised_at = await alerts.begin(session, NO_WORKERS)
            untold = await alerts.untold_admins(session, NO_WORKERS)
        if not untold:
            return
        waiting = await self._deps.backlog.open()

        async def tell(chat_id: int, language: str) -> bool:
            view = View(menus.alert(language, "alert-no-workers", waiting=waiting))
            return await self._send(chat_id, view, (alerts.told, raised_at))

        await _tell_all(tell, untold)

    async def _tell_end(self) -> None:
        async with self._deps.database.autocommit() as session:
            raised_at = await alerts.raised_at(session, NO_WORKERS)
            if raised_at is None:
                return
            told = await alerts.told_chats(session, NO_WORKERS)

        async def tell(chat_id: int, language: str) -> bool:
            view = View(menus.alert(language, "alert-workers-back", waiting=0))
            return await self._send(chat_id, view, (alerts.end_told, raised_at))

        if not await _tell_all(tell, told):
            return
        async with self._deps.database.autocommit() as session:
            await alerts.end(session, NO_WORKERS, raised_at)

    async def _note(self, *chats_: int) -> None:
        """Write down what these chats have heard, or all of which that is not known yet; raises DatabaseUnavailable."""
        for chat_id in chats_ or list(self._unnoted):
            async with self._deps.database.autocommit() as session:
                note, raised_at = self._unnoted[chat_id]
                await note(session, NO_WORKERS, raised_at, chat_id)
            del self._unnoted[chat_id]

    async def _send(self, chat_id: int, view: View, note: tuple[Note, datetime]) -> bool:
        """Whether nothing more is to be done for this chat; False: try again at the next look."""
        try:
            await self._deps.sender.send(chat_id, view, patience_s=1.0)
        except Later as error:
            log.warning("alert_put_off", chat_id=chat_id, why=str(error))
            return False
        except ChatGone as error:
            log.warning("alert_not_sent", chat_id=chat_id, why=str(error))
            async with self._deps.database.autocommit() as session:
                await chats.set_blocked(session, chat_id)
        except Refused as error:
            log.error("alert_not_sent", chat_id=chat_id, why=str(error))  # noqa: TRY400  no trace helps
        self._unnoted[chat_id] = note
        await self._note(chat_id)
        return True


async def _tell_all(tell: Callable[[int, str], Awaitable[bool]], chats_: Sequence[tuple[int, str]]) -> bool:
    """Tell each chat, some at the same time; whether all have heard. A failure waits until no message is under way."""
    has_everybody_heard = True
    for start in range(0, len(chats_), ADMINS_AT_ONCE):
        some = chats_[start : start + ADMINS_AT_ONCE]
        for done in await asyncio.gather(*(tell(*one) for one in some), return_exceptions=True):
            if isinstance(done, BaseException):
                raise done
            has_everybody_heard &= done
    return has_everybody_heard
