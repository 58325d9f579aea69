"""Delivers what is owed to webhooks. Every app process does, under leases. docs/decisions/0015-webhooks.md

A message is marked as soon as its receiver has answered. A process that dies between the two leaves a lease behind;
when it has run out, another process sends the message again, under the same id.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

import structlog

from ml_service.background.webhook_windows import DeliveryWindows, Sending
from ml_service.domain.errors import DatabaseUnavailable
from ml_service.domain.predictions import Prediction
from ml_service.domain.webhooks import (
    DeliveryFailure,
    FailureCode,
    Secret,
    Sent,
    json_event,
    message_id,
    new_secret,
    retry_delay_s,
)
from ml_service.platform.micro_batch import MicroBatch
from ml_service.storage import predictions, webhook_deliveries, webhooks
from ml_service.storage.database import Database, Session
from ml_service.storage.webhook_deliveries import DueMessage, Mark

if TYPE_CHECKING:
    from ml_service.background.webhook_sender import WebhookSender

log = structlog.get_logger()

LOOK_S = 0.2
PAUSE_S = 0.02
LOOKS_SHARE = 4
"""Looking takes a fifth of the time at most, however many endpoints wait."""
TAKEN_MAX = 256
READ_BYTES_MAX = 8_000_000
LEASE_MORE_S = 20.0
"""A lease is this much longer than an attempt."""
SLOW_S = 0.5
MARKS_MAX = 256
MARK_AGAIN_S = 0.5
DRAIN_S = 3.0


class Count(Protocol):
    """Counts an attempt: ``delivered``, ``failed``, or ``given_up`` where it was the last."""

    def __call__(self, outcome: str, seconds: float) -> None:
        """Count one."""


@dataclass(frozen=True, slots=True)
class DeliveryLimits:
    """Settings: seconds of an attempt, attempts under way, days after which a failing webhook is switched off."""

    timeout_s: float
    attempts_max: int
    failing_days_max: float


@dataclass(frozen=True, slots=True)
class _Letter:
    """A message with what it says, or why it is not sent."""

    message: DueMessage
    body: bytes
    secret: Secret
    refusal: DeliveryFailure | None


class WebhookDeliverer:
    """Looks for messages that are due, and sends them, until it is closed.

    Args:
        make_sender: Called in a thread when the first message is due.
        encode: A prediction as the API shows it, as JSON.
    """

    def __init__(
        self,
        database: Database,
        make_sender: Callable[[], WebhookSender],
        encode: Callable[[Prediction], bytes],
        limits: DeliveryLimits,
        count: Count,
    ) -> None:
        self._database = database
        self._make_sender = make_sender
        self._sender: WebhookSender | None = None
        self._encode = encode
        self._limits = limits
        self._count = count
        self._windows = DeliveryWindows(limits.attempts_max)
        self._under_way: dict[asyncio.Task[None], DueMessage] = {}
        self._wake = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._marks: MicroBatch[Mark, None] = MicroBatch(self._mark_all, calls_max=MARKS_MAX)

    async def start(self) -> None:
        """Begin; does not wait for the database."""
        self._looking = asyncio.create_task(self._look())

    async def close(self) -> None:
        """Look for no more, wait a while for what is under way, and give back the rest."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=DRAIN_S)
        left = dict(self._under_way)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._give_back(list(left.values()))
        if self._sender is not None:
            await self._sender.close()

    async def _look(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            began = loop.time()
            try:
                await self._send_due()
            except DatabaseUnavailable as error:
                log.debug("database_away", error=error.message)
            except Exception:
                log.exception("webhooks_not_taken")
            await asyncio.sleep(max(PAUSE_S, LOOKS_SHARE * (loop.time() - began)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()

    async def _send_due(self) -> None:
        free = min(self._windows.free, TAKEN_MAX)
        if free <= 0:
            return
        async with self._database.autocommit() as session:
            taken = await webhook_deliveries.take_due(
                session,
                self._windows.of_endpoints(),
                but_users=self._windows.full_users(),
                limit=free,
                lease_s=self._limits.timeout_s + LEASE_MORE_S,
            )
        if not taken:
            return
        taken_at = asyncio.get_running_loop().time()
        try:
            sender = self._sender = self._sender or await self._started_sender()
            async with self._database.autocommit() as session:
                letters = await self._written(session, taken)
        except BaseException:
            await self._give_back(taken)
            raise
        for letter in letters:
            task = asyncio.create_task(self._deliver(sender, letter, taken_at))
            self._under_way[task] = letter.message
            task.add_done_callback(self._ended)
        if len(taken) == free:
            self._wake.set()

    async def _started_sender(self) -> WebhookSender:
        sender = await asyncio.to_thread(self._make_sender)
        await sender.start()
        return sender

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        self._wake.set()

    async def _written(self, session: Session, taken: Sequence[DueMessage]) -> list[_Letter]:
        """The messages with what they say; predictions are read together, a bounded piece at a time."""
        without = {one.user_id: new_secret() for one in taken if one.secret is None}
        own = await webhooks.secrets_of(session, without) if without else {}
        if len(own) < len(without):  # another process made one in this moment
            own = await webhooks.secrets_of(session, without)
        waiting = dict.fromkeys(one.subject_id for one in taken if one.data is None and one.url is not None)
        found: dict[UUID, bytes] = {}
        while waiting:
            some = await predictions.get_some(session, list(waiting), bytes_max=READ_BYTES_MAX)
            if not some:
                break
            found |= {id_: self._encode(prediction) for id_, prediction in some.items()}
            for id_ in some:
                waiting.pop(id_, None)
        letters = []
        for one in taken:
            data = found.get(one.subject_id) if one.data is None else one.data.encode()
            refusal = None
            if one.url is None:
                refusal = DeliveryFailure(FailureCode.SWITCHED_OFF)
            elif data is None:
                refusal = DeliveryFailure(FailureCode.NOT_KEPT)
            body = json_event(one.event, one.created_at, data or b"null")
            letters.append(_Letter(one, body, one.secret or own[one.user_id], refusal))
        return letters

    async def _deliver(self, sender: WebhookSender, letter: _Letter, taken_at: float) -> None:
        message = letter.message
        loop = asyncio.get_running_loop()
        if loop.time() - taken_at > LEASE_MORE_S / 2:
            return  # this process was frozen, and soon another one may send it
        sending = self._windows.enter(message.endpoint, str(message.user_id), len(letter.body))
        began = loop.time()
        is_delivered = None
        try:
            sent = await self._sent(sender, letter, sending)
            if letter.refusal is None:
                is_delivered = sent.failure is None
            seconds = loop.time() - began
            retry_s = None
            if sent.failure is not None and not sent.is_final:
                retry_s = retry_delay_s(message.tries, sent.retry_after_s)
            mark = Mark.of(message, sent.status, seconds * 1000, sent.failure, sent.answer, retry_s)
            await self._mark(mark, until=taken_at + self._limits.timeout_s + LEASE_MORE_S)
            self._count("delivered" if is_delivered else "given_up" if retry_s is None else "failed", seconds)
        except DatabaseUnavailable as error:
            log.warning("webhook_not_marked", id=message.id, error=error.message)  # the lease ends by itself
        except Exception:
            log.exception("webhook_failed", id=message.id)
        finally:
            self._windows.leave(sending, is_delivered=is_delivered)

    async def _sent(self, sender: WebhookSender, letter: _Letter, sending: Sending) -> Sent:
        message = letter.message
        if letter.refusal is not None or message.url is None:
            return Sent(None, letter.refusal, is_final=True)
        loop = asyncio.get_running_loop()
        is_put_out = False

        def became_slow(limit: asyncio.Timeout) -> None:
            nonlocal is_put_out
            if not self._windows.became_slow(sending):
                is_put_out = True
                limit.reschedule(loop.time())
            self._wake.set()

        timer = None
        try:
            async with asyncio.timeout(self._limits.timeout_s) as limit:
                timer = loop.call_later(SLOW_S, became_slow, limit)
                return await sender.send(message.url, message_id(message.subject_id), letter.body, letter.secret)
        except TimeoutError:
            if is_put_out:
                return Sent(None, DeliveryFailure(FailureCode.PUT_OUT))
            return Sent(None, DeliveryFailure(FailureCode.TIMED_OUT, f"{self._limits.timeout_s:g}"))
        finally:
            if timer is not None:
                timer.cancel()

    async def _mark(self, mark: Mark, *, until: float) -> None:
        while True:
            try:
                await self._marks(mark)
            except DatabaseUnavailable:
                if asyncio.get_running_loop().time() > until:
                    raise
                await asyncio.sleep(MARK_AGAIN_S)
            else:
                return

    async def _mark_all(self, marks: Sequence[Mark]) -> list[None]:
        async with self._database.autocommit() as session:
            disabled = await webhook_deliveries.mark(session, marks, failing_days_max=self._limits.failing_days_max)
        for id_ in disabled:
            log.warning("webhook_disabled", webhook_id=str(id_))
        return [None] * len(marks)

    async def _give_back(self, messages: Sequence[DueMessage]) -> None:
        if messages:
            with contextlib.suppress(DatabaseUnavailable):
                async with self._database.autocommit() as session:
                    await webhook_deliveries.give_back(session, [(one.id, one.attempts) for one in messages])
