"""Tells admins when no worker is alive, and when one is back: each of them once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from ml_service.storage import alerts, chats
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


class WorkerAlert:
    """Looks at the workers. Messages are sent outside of every database block: Telegram may be slow."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._none_since: float | None = None
        self._back_since: float | None = None

    async def look(self) -> None:
        """Look once, and tell those who have not heard; raises DatabaseUnavailable."""
        now = asyncio.get_running_loop().time()
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
            await alerts.begin(session, NO_WORKERS)
            untold = await alerts.untold_admins(session, NO_WORKERS)
        if not untold:
            return
        waiting = await self._deps.backlog.open()

        async def tell(chat_id: int, language: str) -> bool:
            is_done = await self._send(chat_id, View(menus.alert(language, "alert-no-workers", waiting=waiting)))
            if is_done:
                async with self._deps.database.autocommit() as session:
                    await alerts.told(session, NO_WORKERS, chat_id)
            return is_done

        await _tell_all(tell, untold)

    async def _tell_end(self) -> None:
        async with self._deps.database.autocommit() as session:
            told = await alerts.told_chats(session, NO_WORKERS)

        async def tell(chat_id: int, language: str) -> bool:
            is_done = await self._send(chat_id, View(menus.alert(language, "alert-workers-back", waiting=0)))
            if is_done:
                async with self._deps.database.autocommit() as session:
                    await alerts.end_told(session, NO_WORKERS, chat_id)
            return is_done

        if not await _tell_all(tell, told):
            return
        async with self._deps.database.autocommit() as session:
            await alerts.end(session, NO_WORKERS)

    async def _send(self, chat_id: int, view: View) -> bool:
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
