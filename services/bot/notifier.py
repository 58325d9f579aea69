"""Sends the answers that are owed. Results from the queue make it fast; the table makes it sure.

An answer is the "accepted" message, edited: editing twice is harmless, so a crash before the mark shows nothing twice.
But nobody hears an edit. A late answer is a new message, which makes a sound, and "accepted" then points to it. So is
one whose "accepted" is not known or gone. New messages are sent one at a time over the whole process, each with its
mark: a crash repeats at most one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from uuid import UUID

import structlog

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.domain.predictions import Prediction, Status
from ml_service.messaging.queue import RESULTS
from ml_service.storage import predictions, telegram, telegram_work
from ml_service.storage.telegram import Chat
from ml_service.storage.telegram_work import Owed
from services.bot.parts import Parts
from services.bot.phrases import phrases
from services.bot.sender import ChatGone, Later, Refused
from services.bot.views import answers
from services.bot.views.view import View

log = structlog.get_logger()

LATE_S = 10.0
"""Who waited longer than this since "accepted" may have put the phone away, and wants to hear of the answer."""
SWEEP_S = 0.5
PAUSE_S = 0.03
"""Between two looks, however many results come: they are mostly of others."""
CHATS_MAX = 64
PATIENCE_S = 3.0
MARK_S_MAX = 20.0
MESSAGES_MAX = 100
BACKOFF_S_MAX = 60.0


class TakenAway(Exception):
    """The lease ran out while this process waited, and another one sends the answer."""


class Notifier:
    """Looks for what is due, and sends it, until it is closed."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._sending: dict[int, asyncio.Task[None]] = {}  # chat → the task that sends its answer
        self._one_at_a_time = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin; waits for neither queue nor database."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._look())]

    async def close(self, drain_s: float) -> None:
        """Look for no more, and finish what is being sent."""
        for task in self._tasks:
            task.cancel()
        if self._sending:
            await asyncio.wait(self._sending.values(), timeout=drain_s)
        left = list(self._sending.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*self._tasks, *left, return_exceptions=True)

    async def _listen(self) -> None:
        async with self._parts.queue.consume_results(RESULTS) as consumer:
            while True:
                deliveries = await consumer.get_batch(MESSAGES_MAX, 0)
                self._parts.answered.set()  # the table says which of them are ours
                await consumer.ack(deliveries)

    async def _look(self) -> None:
        while True:
            self._parts.answered.clear()
            try:
                await self._send_due()
            except DatabaseUnavailable as error:
                log.debug("database_away", error=error.message)
            except Exception:
                log.exception("answers_not_taken")
            await asyncio.sleep(PAUSE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self._parts.answered.wait()

    async def _send_due(self) -> None:
        room = CHATS_MAX - len(self._sending)
        if room <= 0:
            return
        async with self._parts.database.autocommit() as session:
            due = await telegram_work.take_due(session, but_chats=list(self._sending), limit=room)
        for owed in due:
            task = asyncio.create_task(self._send(owed))
            self._sending[owed.chat_id] = task
            task.add_done_callback(lambda _, chat_id=owed.chat_id: self._ended(chat_id))  # type: ignore[misc]  # a default binds it

    def _ended(self, chat_id: int) -> None:
        del self._sending[chat_id]
        self._parts.answered.set()

    async def _send(self, owed: Owed) -> None:
        try:
            await self._send_or_raise(owed)
        except Later as error:
            log.info("answer_put_off", id=str(owed.id), why=str(error))
            await self._put_off(owed, max(error.seconds, _backoff_s(owed)))
        except ChatGone as error:
            log.info("chat_gone", chat_id=owed.chat_id, why=str(error))
            async with self._parts.database.begin() as session:
                await telegram.set_blocked(session, owed.chat_id)  # owed until the person comes back
                await telegram_work.put_answer_off(session, owed, 0)
        except TakenAway:
            log.info("answer_taken_away", id=str(owed.id))
        except Refused as error:
            log.error("telegram_refused", id=str(owed.id), error=str(error))  # noqa: TRY400  no trace helps
            await self._mark(owed.id, str(error))
        except DatabaseUnavailable as error:
            log.warning("database_away", error=error.message)  # the lease ends by itself
        except asyncio.CancelledError:
            await self._put_off(owed, 0)
            raise
        except Exception:
            log.exception("answer_failed", id=str(owed.id))
            await self._put_off(owed, _backoff_s(owed))

    async def _send_or_raise(self, owed: Owed) -> None:
        async with self._parts.database.autocommit() as session:
            chat = await telegram.get_chat(session, owed.chat_id)
            if chat is None:
                return
            if owed.is_batch:
                rows = [one for user in chat.user_ids for one in await predictions.get_batch(session, user, owed.id)]
            else:
                rows = list((await predictions.get_many(session, [owed.id])).values())
        t = phrases(chat.language)
        if not owed.is_batch:
            # Who has canceled knows of it. The others are to hear of a late answer; a batch's file makes its own sound.
            is_late = owed.age_s > LATE_S and rows[0].status is not Status.CANCELED
            await self._show(owed, answers.answer(t, rows[0]), answers.below(t) if is_late else None)
            return
        await self._send_file(owed, chat, rows)
        await self._show(owed, answers.batch_summary(t, rows))

    async def _send_file(self, owed: Owed, chat: Chat, rows: list[Prediction]) -> None:
        if owed.is_file_sent:
            return
        name = phrases(chat.language).plain("batch-file-name")
        content = await asyncio.to_thread(answers.batch_file, rows)
        async with self._new_message(owed):
            await self._parts.sender.send_file(
                chat.chat_id, name, content, reply_to=owed.request_message_id, patience_s=PATIENCE_S
            )
            async with self._parts.database.autocommit() as session:
                await telegram_work.file_sent(session, owed.id)

    async def _show(self, owed: Owed, view: View, pointer: View | None = None) -> None:
        """Turn "accepted" into the answer; or into the ``pointer`` to it, which is then sent as a new message."""
        sender = self._parts.sender
        if owed.message_id is not None:
            # The pointer comes first: it can be repeated, so that only the mark stands between the answer and a crash.
            first = pointer or view
            is_there = await sender.edit(owed.chat_id, owed.message_id, first, patience_s=PATIENCE_S)
            if is_there and pointer is None:
                await self._mark(owed.id)
                return
        async with self._new_message(owed):
            await sender.send(owed.chat_id, view, reply_to=owed.request_message_id, patience_s=PATIENCE_S)
            await self._mark(owed.id)

    @contextlib.asynccontextmanager
    async def _new_message(self, owed: Owed) -> AsyncIterator[None]:
        """A turn to send a message that cannot be repeated, and to mark it; raises TakenAway."""
        async with self._one_at_a_time:
            async with self._parts.database.autocommit() as session:
                if not await telegram_work.still_taken(session, owed):  # others had their turns first, for long
                    raise TakenAway
            yield

    async def _mark(self, id_: UUID, error: str | None = None) -> None:
        until = asyncio.get_running_loop().time() + MARK_S_MAX
        while True:
            try:
                async with self._parts.database.autocommit() as session:
                    await telegram_work.notified(session, id_, error)
            except DatabaseUnavailable:
                if asyncio.get_running_loop().time() > until:
                    raise
                await asyncio.sleep(0.5)
            else:
                return

    async def _put_off(self, owed: Owed, seconds: float) -> None:
        with contextlib.suppress(DatabaseUnavailable):
            async with self._parts.database.autocommit() as session:
                await telegram_work.put_answer_off(session, owed, seconds)


def _backoff_s(owed: Owed) -> float:
    return min(0.5 * 2.0 ** min(owed.attempts, 10), BACKOFF_S_MAX)
