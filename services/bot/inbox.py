"""Handles what was received: each chat in its own order, many chats at once, each update until it is done.

Updates are rows (`storage/updates.py`). A process that dies leaves them behind, and they are handled again; what
they asked for has an Idempotency-Key, so that it is not asked twice.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import orjson
import structlog
from aiogram import Dispatcher
from aiogram.types import Message
from aiogram.types import Update as TelegramUpdate

from ml_service.domain.errors import DatabaseUnavailable, ServiceError
from ml_service.storage import chat_deliveries, chats, updates
from ml_service.storage.database import Session
from ml_service.storage.updates import LEASE_S, Update
from ml_service.usecases import telegram
from services.bot import groups, submitting
from services.bot.deps import Deps
from services.bot.failures import ChatGone, Later, Refused
from services.bot.phrases import language_of, phrases
from services.bot.raw_updates import Unreadable, language_code, parse
from services.bot.talk import Talk
from services.bot.views import menus
from services.bot.views.view import View

log = structlog.get_logger()

CHATS_MAX = 32
"""Chats that are served at the same time."""
SWEEP_S = 1.0
UPDATE_ATTEMPTS_MAX = 5
"""After so many exceptions of ours an update is given up: the next message of the chat must not wait forever."""
LATER_ATTEMPTS_MAX = 200
BACKOFF_S_MAX = 60.0


class Inbox:
    """Takes updates and handles them until it is closed."""

    def __init__(self, deps: Deps, dispatcher: Dispatcher) -> None:
        self._deps = deps
        self._dispatcher = dispatcher
        self._handling: dict[int, asyncio.Task[None]] = {}  # chat → the task at its update
        self._updates: dict[int, int] = {}  # chat → its update
        self._talks: dict[int, Talk] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin; does not wait for the database."""
        self._tasks = [asyncio.create_task(self._take()), asyncio.create_task(self._keep_renewing())]

    async def close(self, drain_s: float) -> None:
        """Take no more, and finish what has begun; what cannot be finished in time is left to the next process."""
        self._tasks[0].cancel()
        if self._handling:
            await asyncio.wait(self._handling.values(), timeout=drain_s)
        left = list(self._handling.values())
        for task in (*self._tasks, *left):
            task.cancel()
        await asyncio.gather(*self._tasks, *left, return_exceptions=True)

    async def _take(self) -> None:
        while True:
            self._deps.arrived.clear()
            try:
                taken = await self._take_some()
            except DatabaseUnavailable as error:
                log.warning("database_away", error=error.message)
                taken = []
            except Exception:
                log.exception("updates_not_taken")
                taken = []
            for update in taken:
                self._begin(update)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self._deps.arrived.wait()

    async def _take_some(self) -> list[Update]:
        room = CHATS_MAX - len(self._handling)
        if room <= 0:
            return []
        async with self._deps.database.autocommit() as session:
            return await updates.take(session, self._deps.bot_id, but_chats=list(self._handling), limit=room)

    def _begin(self, update: Update) -> None:
        task = asyncio.create_task(self._handle(update))
        self._handling[update.chat_id] = task
        self._updates[update.chat_id] = update.update_id
        task.add_done_callback(lambda _: self._ended(update.chat_id))

    def _ended(self, chat_id: int) -> None:
        del self._handling[chat_id], self._updates[chat_id]
        self._talks.pop(chat_id, None)
        self._deps.arrived.set()

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            try:
                await self.renew()
            except DatabaseUnavailable as error:
                log.warning("leases_not_renewed", error=error.message)

    async def renew(self) -> None:
        """Renew the leases of what is being handled; raises DatabaseUnavailable."""
        if not self._handling:
            return
        holding = [id_ for talk in self._talks.values() for id_ in talk.holding]
        async with self._deps.database.autocommit() as session:
            await updates.renew(session, self._deps.bot_id, list(self._updates.values()))
            await chat_deliveries.keep_back(session, holding)

    async def _handle(self, update: Update) -> None:
        try:
            await self._feed(update)
        except Later as error:
            await self._put_off(update, max(error.seconds, _backoff_s(update)), str(error), LATER_ATTEMPTS_MAX)
        except DatabaseUnavailable as error:
            await self._put_off(update, min(_backoff_s(update), 2.0), error.message, LATER_ATTEMPTS_MAX)
        except Unreadable as error:
            await self._give_up(update, str(error))
        except asyncio.CancelledError:
            await self._write(lambda session: self._retry_later(session, update, 0))
            raise
        except Exception as error:
            log.exception("update_failed", update_id=update.update_id, chat_id=update.chat_id)
            await self._put_off(update, _backoff_s(update), repr(error)[:500], UPDATE_ATTEMPTS_MAX)

    async def _feed(self, update: Update) -> None:
        parsed = parse(update.body, self._deps.sender.bot)
        if parsed.my_chat_member is not None:
            gone = parsed.my_chat_member.new_chat_member.status in {"kicked", "left"}
            await self._write(lambda session: self._member(session, update, gone=gone))
            return
        if parsed.message is not None and parsed.message.chat.type != "private":
            await self._answer_in_group(parsed.message, update)
            return
        talk = self._talks[update.chat_id] = await self._talk(parsed, update)
        try:
            if not await self._is_of_an_answered_album(parsed.message, update):
                await self._answer(parsed, talk)
        except ChatGone as error:
            log.info("chat_gone", chat_id=update.chat_id, why=str(error))
            await self._write(lambda session: chats.set_blocked(session, update.chat_id))
        except Refused as error:
            log.error("telegram_refused", update_id=update.update_id, error=str(error))  # noqa: TRY400  no trace helps
        await self._write(lambda session: self._done(session, update, talk))
        self._deps.metrics.handled("done")

    async def _answer_in_group(self, message: Message, update: Update) -> None:
        await groups.answer(self._deps, message, update)
        await self._write(lambda session: updates.handled(session, self._deps.bot_id, update.update_id))
        self._deps.metrics.handled("done")

    async def _is_of_an_answered_album(self, message: Message | None, update: Update) -> bool:
        """Whether other messages of its album have been answered: what is sent together comes as a message each."""
        if message is None or message.media_group_id is None:
            return False
        async with self._deps.database.autocommit() as session:
            return await updates.is_album_handled(session, self._deps.bot_id, update, message.media_group_id)

    async def _answer(self, parsed: TelegramUpdate, talk: Talk) -> None:
        try:
            is_repeated = talk.attempts > 1 and parsed.message is not None
            if not (is_repeated and await submitting.resume(talk, talk.key)):
                await self._dispatcher.feed_update(self._deps.sender.bot, parsed, talk=talk)
        except DatabaseUnavailable:
            raise
        except ServiceError as problem:
            await talk.say(menus.error(talk.t, problem), reply=True)
        if talk.query_id is not None and not talk.is_tap_answered:
            await talk.pop_up()

    async def _talk(self, parsed: TelegramUpdate, update: Update) -> Talk:
        message, query, chat_id = parsed.message or parsed.edited_message, parsed.callback_query, update.chat_id
        person = message.from_user if message else query.from_user if query else None
        async with self._deps.database.begin() as session:
            chat = await telegram.ensure_chat(
                session,
                chat_id,
                language_of(person.language_code if person else None),
                starting_credits=self._deps.settings.starting_credits,
            )
        shown = query.message if query else None
        message_id = message.message_id if message else shown.message_id if shown else 0
        return Talk(
            self._deps,
            chat,
            message_id,
            key=f"telegram:{chat_id}:tap:{query.id}" if query else f"telegram:{chat_id}:{message_id}",
            language=chat.language,
            model=chat.model,
            dialog=orjson.loads(chat.dialog) if chat.dialog else None,
            query_id=query.id if query else None,
            thread_id=getattr(message or shown, "message_thread_id", None),
            attempts=update.attempts,
        )

    async def _done(self, session: Session, update: Update, talk: Talk) -> None:
        before = (talk.chat.language, talk.chat.model, talk.chat.dialog)
        now = (talk.language, talk.model, talk.dialog_text())
        if now != before:
            await chats.save_talk(session, update.chat_id, language=now[0], model=now[1], dialog=now[2])
        await updates.handled(session, self._deps.bot_id, update.update_id)

    async def _member(self, session: Session, update: Update, *, gone: bool) -> None:
        change = chats.set_blocked if gone else chats.set_open
        await change(session, update.chat_id)
        await updates.handled(session, self._deps.bot_id, update.update_id)

    async def _put_off(self, update: Update, seconds: float, why: str, attempts_max: int) -> None:
        if update.attempts >= attempts_max:
            await self._give_up(update, why)
            return
        log.warning("update_put_off", update_id=update.update_id, why=why)
        await self._write(lambda session: self._retry_later(session, update, seconds))
        self._deps.metrics.handled("put_off")

    async def _give_up(self, update: Update, why: str) -> None:
        log.warning("update_given_up", update_id=update.update_id, why=why)
        await self._write(lambda session: updates.handled(session, self._deps.bot_id, update.update_id, why))
        self._deps.metrics.handled("given_up")
        await self._apologize(update)

    async def _apologize(self, update: Update) -> None:
        """Tell the person that nothing more will come of it; nothing hangs on that."""
        try:
            async with self._deps.database.autocommit() as session:
                chat = await chats.get(session, update.chat_id)
            if chat is None or not chat.is_silent:
                t = phrases(chat.language if chat else language_of(language_code(update.body)))
                await self._deps.sender.send(update.chat_id, View(t("given-up")))
        except (DatabaseUnavailable, Later, ChatGone, Refused) as error:
            log.warning("apology_not_sent", chat_id=update.chat_id, error=str(error))

    async def _retry_later(self, session: Session, update: Update, seconds: float) -> None:
        await updates.retry_later(session, self._deps.bot_id, update.update_id, seconds)

    async def _write(self, write: Callable[[Session], Awaitable[None]]) -> None:
        """Commit, waiting for the database if it must be, but no longer than the lease: then it is another's."""
        until = asyncio.get_running_loop().time() + LEASE_S
        while True:
            try:
                async with self._deps.database.begin() as session:
                    await write(session)
            except DatabaseUnavailable:
                if asyncio.get_running_loop().time() > until:
                    raise
                await asyncio.sleep(0.5)
            else:
                return


def _backoff_s(update: Update) -> float:
    return min(0.5 * 2.0 ** min(update.attempts, 10), BACKOFF_S_MAX)
