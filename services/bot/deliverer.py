"""Sends what is owed to chats. Results from the queue make it fast; the table makes it sure.

An answer is the "accepted" message, edited: editing twice is harmless, so a crash before the mark shows nothing twice.
But nobody hears an edit. A late answer is a new message, which makes a sound, and "accepted" then points to it. So is
one whose "accepted" is not known or gone. New messages are sent one at a time over the whole process, each with its
mark, so that a crash repeats at most one; so are large files, which messages do not wait for. Only the request itself
is made one at a time: a chat that has to wait, by its pace or because Telegram says so, waits outside.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, BinaryIO

import structlog

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.domain.predictions import Prediction, Status
from ml_service.messaging.queue import RESULTS
from ml_service.storage import chat_deliveries, chats, predictions
from ml_service.storage.chat_deliveries import LEASE_S, ChatDelivery
from ml_service.usecases import batch_results
from ml_service.usecases.batch_results import BatchState
from services.bot.deps import Deps
from services.bot.failures import ChatGone, Later, Refused
from services.bot.phrases import Phrases, phrases
from services.bot.sender import Around, upload_s_max
from services.bot.views import answers, batches, files, notices
from services.bot.views.view import View

log = structlog.get_logger()

LATE_S = 10.0
"""Who waited longer than this since "accepted" may have put the phone away, and wants to hear of the answer."""
SWEEP_S = 0.5
PAUSE_S = 0.03
"""Between two looks, however many results come: they are mostly of others."""
CHATS_MAX = 64
PATIENCE_S = 3.0
ALONE_S_MAX = 6.0
"""What one chat may cost the others, whose new messages wait for it, when Telegram does not answer."""
LARGE_UPLOAD_S = 2.0
MARK_S_MAX = 20.0
MESSAGES_MAX = 100
BACKOFF_S_MAX = 60.0


class LeaseLost(Exception):
    """The lease ran out while this process waited, and another one sends the answer."""


class Deliverer:
    """Looks for what is due, and sends it, until it is closed."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._sending: dict[int, asyncio.Task[None]] = {}  # chat → the task that sends its answer
        self._one_at_a_time = asyncio.Lock()
        self._one_large_file = asyncio.Lock()
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
        async with self._deps.queue.consume_results(RESULTS) as consumer:
            while True:
                deliveries = await consumer.get_batch(MESSAGES_MAX, 0)
                self._deps.answered.set()  # the table says which of them are ours
                await consumer.ack(deliveries)

    async def _look(self) -> None:
        while True:
            self._deps.answered.clear()
            try:
                await self._send_due()
            except DatabaseUnavailable as error:
                log.debug("database_away", error=error.message)
            except Exception:
                log.exception("deliveries_not_taken")
            await asyncio.sleep(PAUSE_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_S):
                    await self._deps.answered.wait()

    async def _send_due(self) -> None:
        room = CHATS_MAX - len(self._sending)
        if room <= 0:
            return
        async with self._deps.database.autocommit() as session:
            due = await chat_deliveries.take_due(session, but_chats=list(self._sending), limit=room)
        for delivery in due:
            task = asyncio.create_task(self._send(delivery))
            self._sending[delivery.chat_id] = task
            task.add_done_callback(lambda _, chat_id=delivery.chat_id: self._ended(chat_id))  # type: ignore[misc]  # a default binds it

    def _ended(self, chat_id: int) -> None:
        del self._sending[chat_id]
        self._deps.answered.set()

    async def _send(self, delivery: ChatDelivery) -> None:
        try:
            await self._while_held(delivery, self._send_or_raise(delivery))
        except Later as error:
            log.info("delivery_put_off", id=delivery.id, why=str(error))
            await self._retry_later(delivery, max(error.seconds, _backoff_s(delivery)), str(error))
        except ChatGone as error:
            log.info("chat_gone", chat_id=delivery.target_id, why=str(error))
            if delivery.group_id is not None:  # the bot was put out of the group; the person has /history
                await self._mark(delivery, str(error))
                return
            async with self._deps.database.begin() as session:
                await chats.set_blocked(session, delivery.chat_id)  # owed until the person comes back
                await chat_deliveries.retry_later(session, delivery, 0, str(error))
        except LeaseLost:
            log.info("delivery_lease_lost", id=delivery.id)
        except Refused as error:
            log.error("telegram_refused", id=delivery.id, error=str(error))  # noqa: TRY400  no trace helps
            await self._mark(delivery, str(error))
        except DatabaseUnavailable as error:
            log.warning("database_away", error=error.message)  # the lease ends by itself
        except asyncio.CancelledError:
            await self._retry_later(delivery, 0)
            raise
        except Exception as error:
            log.exception("delivery_failed", id=delivery.id)
            await self._retry_later(delivery, _backoff_s(delivery), repr(error)[:300])

    async def _while_held(self, delivery: ChatDelivery, sending: Coroutine[Any, Any, None]) -> None:
        """Send, and renew the lease meanwhile; stops and raises LeaseLost where another process has the delivery."""
        task = asyncio.ensure_future(sending)
        try:
            while not (await asyncio.wait([task], timeout=LEASE_S / 3))[0]:
                with contextlib.suppress(DatabaseUnavailable):  # the lease may hold until it is back
                    if not await self._is_held(delivery) and not task.done():
                        raise LeaseLost
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _is_held(self, delivery: ChatDelivery) -> bool:
        async with self._deps.database.autocommit() as session:
            return await chat_deliveries.still_held(session, delivery)

    async def _send_or_raise(self, delivery: ChatDelivery) -> None:
        async with self._deps.database.autocommit() as session:
            chat = await chats.get(session, delivery.chat_id)
            if chat is None:
                return
        if not delivery.is_from_chat and delivery.user_id not in chat.user_ids:
            await self._mark(delivery, "the chat has left the account")
            return
        t = phrases(chat.language)
        if delivery.event is not None:
            await self._show(delivery, notices.notice(t, delivery.event, delivery.data))
        elif delivery.is_batch:
            await self._show_batch(delivery, t)
        else:
            await self._show_prediction(delivery, t)

    async def _show_prediction(self, delivery: ChatDelivery, t: Phrases) -> None:
        async with self._deps.database.autocommit() as session:
            found = (await predictions.get_many(session, [delivery.subject_id])).get(delivery.subject_id)
        if found is None:
            await self._show(delivery, View(t("answer-deleted")))
        else:
            await self._show_answer(delivery, t, found)

    async def _show_batch(self, delivery: ChatDelivery, t: Phrases) -> None:
        async with self._deps.database.autocommit() as session:
            state = await batch_results.state(session, delivery.user_id, delivery.subject_id)
        if state is None:
            await self._show(delivery, View(t("answer-deleted")))
        elif state.stopped and not state.done:
            await self._show(delivery, batches.summary(t, state))
        else:
            await self._show_report(delivery, t, state)

    async def _show_report(self, delivery: ChatDelivery, t: Phrases, state: BatchState) -> None:
        async with self._deps.reports.written(t, state) as report:
            if not report.rows:
                await self._show(delivery, View(t("answer-deleted")))
                return
            is_file_there = await self._send_file(delivery, (report.name, report.file))
        await self._show(delivery, batches.summary(t, state, report, is_file_there=is_file_there))

    async def _show_answer(self, delivery: ChatDelivery, t: Phrases, prediction: Prediction) -> None:
        # Who has canceled knows of it. The others are to hear of a late answer; a batch's file makes its own sound.
        is_late = delivery.age_s > LATE_S and prediction.status is not Status.CANCELED
        view = answers.answer(t, prediction)
        if view.is_cut:
            await self._send_file(delivery, files.output(t, prediction))
        pointer = answers.below(t) if is_late else None
        try:
            await self._show(delivery, view, pointer)
        except Refused as error:
            log.error("answer_refused", id=delivery.id, error=str(error))  # noqa: TRY400  no trace helps
            await self._show(delivery, View(t("answer-refused")))

    async def _send_file(self, delivery: ChatDelivery, made: tuple[str, bytes | BinaryIO]) -> bool:
        """Send the file of answers, once; returns False where Telegram refuses it for good."""
        if delivery.is_file_sent:
            return True
        name, content = made

        async def mark() -> None:
            async with self._deps.database.autocommit() as session:
                await chat_deliveries.file_sent(session, delivery.id)

        try:
            await self._deps.sender.send_file(
                delivery.target_id,
                name,
                content,
                reply_to=delivery.request_message_id,
                thread_id=delivery.thread_id,
                patience_s=PATIENCE_S,
                around=self._once(delivery, mark, upload_s_max(content)),
            )
        except Refused as error:
            log.error("file_refused", id=delivery.id, error=str(error))  # noqa: TRY400  no trace helps
            return False
        return True

    async def _show(self, delivery: ChatDelivery, view: View, pointer: View | None = None) -> None:
        """Turn "accepted" into the answer; or into the ``pointer`` to it, which is then sent as a new message."""
        sender = self._deps.sender
        if delivery.group_id is not None:
            view = View(view.text)  # buttons are the person's own, in the private chat
        if delivery.message_id is not None:
            # The pointer comes first: it can be repeated, so that only the mark stands between the answer and a crash.
            first = pointer or view
            is_there = await sender.edit(delivery.chat_id, delivery.message_id, first, patience_s=PATIENCE_S)
            if is_there and pointer is None:
                await self._mark(delivery)
                return
        await sender.send(
            delivery.target_id,
            view,
            reply_to=delivery.request_message_id,
            thread_id=delivery.thread_id,
            patience_s=PATIENCE_S,
            around=self._once(delivery, lambda: self._mark(delivery)),
        )

    def _once(self, delivery: ChatDelivery, mark: Callable[[], Awaitable[None]], upload_s: float = 0.0) -> Around:
        """Makes a call that cannot be repeated, and marks it, while no other chat's is made.

        What it returns raises LeaseLost.

        Args:
            upload_s: How much longer it may take than a message. Messages do not wait for a large file.
        """
        turn = self._one_large_file if upload_s > LARGE_UPLOAD_S else self._one_at_a_time

        async def around(do: Callable[[], Awaitable[Any]]) -> Any:
            async with turn:
                if not await self._is_held(delivery):
                    raise LeaseLost
                async with asyncio.timeout(ALONE_S_MAX + upload_s):
                    result = await do()
                await mark()
                return result

        return around

    async def _mark(self, delivery: ChatDelivery, error: str | None = None) -> None:
        until = asyncio.get_running_loop().time() + MARK_S_MAX
        while True:
            try:
                async with self._deps.database.autocommit() as session:
                    await chat_deliveries.delivered(session, delivery.id, error)
            except DatabaseUnavailable:
                if asyncio.get_running_loop().time() > until:
                    raise
                await asyncio.sleep(0.5)
            else:
                return

    async def _retry_later(self, delivery: ChatDelivery, seconds: float, why: str | None = None) -> None:
        with contextlib.suppress(DatabaseUnavailable):
            async with self._deps.database.autocommit() as session:
                await chat_deliveries.retry_later(session, delivery, seconds, why)


def _backoff_s(delivery: ChatDelivery) -> float:
    return min(0.5 * 2.0 ** min(delivery.attempts, 10), BACKOFF_S_MAX)
