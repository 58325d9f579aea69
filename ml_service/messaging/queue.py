"""The queue as the services see it: at-least-once, in batches, with dead letters.

Two backends implement it, `rabbitmq` and `postgres`; `tests/contract` tests both. A publish returns only when the
broker has confirmed every message; a consumer acks only after its own commit. Messages may be delivered twice, and the
database detects that: an ack never decides about money.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Protocol
from uuid import UUID

import msgspec

from ml_service.domain.errors import QueueUnavailable
from ml_service.domain.models import DEFAULT_POOL
from ml_service.messaging.prefetch import Prefetch

TASKS = "ml_tasks"
RESULTS = "ml_results"
DEAD_LETTERS = "ml_tasks.dead"
CREATED = "ml_tasks.created"


def queue_of(pool: str) -> str:
    """The name of the queue that the workers of ``pool`` share: ``ml_tasks`` or ``ml_tasks.<pool>``."""
    return TASKS if pool == DEFAULT_POOL else f"{TASKS}.{pool}"


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Every bound of a queue backend.

    Attributes:
        timeout_s: Seconds that one window of a publish, or one request to the broker, may take.
        heartbeat_s: Seconds between heartbeats; a peer that is silent for twice as long counts as dead.
        reconnect_s_max: Longest pause in seconds between two attempts to connect; the first is 0.1 s.
        requeue_delay_s: Seconds that a requeued message waits before it is delivered again, at least; twice at most.
        deliveries_max: A message delivered more often becomes a dead letter: it kills its consumers. Attempts of
            a prediction are counted in its row; this only stops messages that never get that far.
        tasks_max: Task messages that one queue holds; beyond it a publish is refused.
        results_max: Result messages kept for a durable reader that is away; the oldest are dropped first.
        results_age_s_max: Seconds after which a kept result message is dropped.
        live_results_max: Messages that one live reader may lag behind.
        lease_s: Seconds after which a frozen consumer's messages are given to another (PostgreSQL).
        poll_s: Seconds after which a consumer looks for messages if no notification wakes it (PostgreSQL).
    """

    timeout_s: float = 5.0
    heartbeat_s: int = 10
    reconnect_s_max: float = 2.0
    requeue_delay_s: float = 1.0
    deliveries_max: int = 50
    tasks_max: int = 1_000_000
    results_max: int = 100_000
    results_age_s_max: int = 86_400
    live_results_max: int = 10_000
    lease_s: float = 30.0
    poll_s: float = 0.5


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """Asks the workers of ``pool`` for predictions: the ids of a burst, at most one batch of one model's version.

    ``bulk`` marks predictions of a batch request: no client waits for each of them, so workers take single ones first.
    ``version`` is empty only in messages from before models had versions: the upgrade has sent them all again.
    """

    pool: str
    model: str
    version: str
    ids: tuple[UUID, ...]
    bulk: bool = False


class Result(msgspec.Struct, frozen=True, gc=False):
    """A prediction has reached ``status``; the answer itself is in the table. Sent on the wire as it is here."""

    id: UUID
    user_id: UUID
    status: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


@dataclass(frozen=True, slots=True)
class ResultMessage:
    """The results of a batch."""

    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class TaskDelivery:
    """A task message that a worker holds.

    Attributes:
        redelivered: Another consumer may have begun it: it was handed out before, and did not come back as not begun.
        receipt: For the backend only: it recognizes acks that belong to an earlier connection.
    """

    message: TaskMessage
    redelivered: bool
    receipt: tuple[int, int] = field(compare=False)


@dataclass(frozen=True, slots=True)
class ResultDelivery:
    """A result message that a reader holds; see `TaskDelivery`."""

    message: ResultMessage
    redelivered: bool
    receipt: tuple[int, int] = field(compare=False)


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How full a task queue is.

    Attributes:
        ready: Messages that wait for a consumer. On RabbitMQ the count lags slightly.
        unacked: Messages that consumers hold; None on RabbitMQ, since AMQP cannot ask for it.
        consumers: Connected consumers of this queue.
        exists: False if the queue is missing; `Queue.declare` creates it.
    """

    ready: int
    unacked: int | None
    consumers: int
    exists: bool


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that no worker could process.

    Attributes:
        id: Its name for `Queue.discard_dead` and `Queue.replay_dead`.
        body: As it arrived; it may be anything.
        reason: Why it is a dead letter, in words.
        message: The body decoded, or None if it cannot be.
        since: When it was published or became a dead letter, if that is known.
    """

    id: str
    body: str
    reason: str
    message: TaskMessage | None
    since: datetime | None


NO_SUCH_LETTER = "there is no dead letter with this id"
LETTERS_BYTES_MAX = 8 * 1024 * 1024
"""Bytes of bodies that one list of dead letters may hold; a body has up to half a megabyte."""
SKIPPED_MAX = 100


@dataclass(slots=True)
class Handled:
    """What `Queue.replay_dead` or `Queue.discard_dead` did.

    Attributes:
        done: How many dead letters were replayed or discarded.
        skipped: How many were left where they are, or do not exist.
        reasons: Why, by id, for the first `SKIPPED_MAX` of those.
    """

    done: int = 0
    skipped: int = 0
    reasons: dict[str, str] = field(default_factory=dict)

    def skip(self, letter_id: str, reason: str) -> None:
        """Count a letter that was not handled."""
        self.skipped += 1
        if len(self.reasons) < SKIPPED_MAX:
            self.reasons[letter_id] = reason


def interrupted(why: str, handled: Handled) -> QueueUnavailable:
    """Why the handling of dead letters broke off, with what was done before."""
    return QueueUnavailable(f"{why.rstrip('.')}. Dead letters handled before: {handled.done}; the others are left.")


class TaskConsumer(Protocol):
    """A worker's end of the task queues. It reconnects without end; meanwhile `get_batch` waits."""

    @property
    def connected(self) -> bool:
        """Whether deliveries can arrive now."""
        ...

    async def get_batch(self, messages_max: int, wait_ms: float, timeout_s: float | None = None) -> list[TaskDelivery]:
        """Wait for a first message, then gather those that are there or arrive within ``wait_ms``.

        Safe to cancel: messages that had arrived are kept for the next call.

        Args:
            messages_max: Most messages to return, 1 or more.
            wait_ms: Milliseconds to wait for more after the first; 0 takes those that are there.
            timeout_s: Give up waiting for the first after so many seconds; None waits forever.

        Returns:
            Deliveries in the order of the queue; empty only after ``timeout_s``.
        """
        ...

    async def ack(self, deliveries: Sequence[TaskDelivery]) -> None:
        """Remove these from the queue: they are done. If the connection was lost they come again; that is no error."""
        ...

    async def requeue(self, deliveries: Sequence[TaskDelivery], *, begun: bool) -> None:
        """Give these back: they come again after ``requeue_delay_s``, first to other consumers.

        Args:
            begun: They may have been begun, and come again marked redelivered. False: they were only passed on, and
                keep the mark that they had. (If the broker is away meanwhile, they may come marked.)
        """
        ...

    async def reject(self, delivery: TaskDelivery, reason: str) -> None:
        """Make this a dead letter, with ``reason`` (one sentence): no worker can ever process it."""
        ...

    async def stop(self) -> None:
        """Take no more messages and give back those not handed out; the others can still be acked."""
        ...


class ResultConsumer(Protocol):
    """A reader's end of the results. It reconnects without end; meanwhile `get_batch` waits."""

    @property
    def connected(self) -> bool:
        """Whether deliveries can arrive now."""
        ...

    @property
    def connections(self) -> int:
        """How often it has connected. When it grows, a live reader has missed messages and must read the rows."""
        ...

    async def get_batch(
        self, messages_max: int, wait_ms: float, timeout_s: float | None = None
    ) -> list[ResultDelivery]:
        """As `TaskConsumer.get_batch`."""
        ...

    async def ack(self, deliveries: Sequence[ResultDelivery]) -> None:
        """Remove these from the durable queue; does nothing for a live reader."""
        ...


class Queue(Protocol):
    """A queue backend. One per process; safe for concurrent use by tasks of one event loop."""

    @property
    def connected(self) -> bool:
        """Whether the last exchange with the broker succeeded and the connection is open."""
        ...

    async def publish_tasks(self, messages: Sequence[TaskMessage]) -> None:
        """Send a burst; return when the broker has confirmed all of it.

        Raises:
            QueueUnavailable: Not everything was confirmed in time. Any part of it may still have arrived.
        """
        ...

    async def publish_results(self, message: ResultMessage) -> None:
        """Send to all live readers and the durable queue; the same promise as `publish_tasks`.

        Raises:
            QueueUnavailable: It was not confirmed in time. It may still have arrived.
        """
        ...

    def consume_tasks(self, pools: Sequence[str], prefetch: Prefetch) -> AbstractAsyncContextManager[TaskConsumer]:
        """Take tasks of ``pools``, at most ``prefetch.messages`` of each unacked at a time.

        Entering returns at once, even if the broker is away. Leaving gives back everything that is not acked.
        """
        ...

    def consume_results(self, name: str | None) -> AbstractAsyncContextManager[ResultConsumer]:
        """Read results: those that arrive while connected (``None``), or the durable queue ``"ml_results"``."""
        ...

    async def depth(self, pool: str) -> QueueDepth:
        """Ask how full the queue of ``pool`` is.

        Raises:
            QueueUnavailable: The broker does not answer in time.
        """
        ...

    async def declare(self) -> bool:
        """Create missing queues; cheap enough for once a second.

        Returns:
            True if a task queue was created since the last call, by this or any other process. The messages of the
            old one are lost: send all open rows again. Only the *next* call clears this, so it is not lost
            with a caller that dies before it has done so.

        Raises:
            QueueUnavailable: The broker does not answer in time.
        """
        ...

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """List the oldest dead letters; they stay where they are.

        Args:
            limit: At most so many; fewer if their bodies exceed `LETTERS_BYTES_MAX` in total.

        Raises:
            QueueUnavailable: The broker does not answer in time.
        """
        ...

    async def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """Find one dead letter; None if there is none with this id.

        Raises:
            QueueUnavailable: The broker does not answer in time.
        """
        ...

    async def count_dead(self) -> int:
        """Count the dead letters.

        Raises:
            QueueUnavailable: The broker does not answer in time.
        """
        ...

    async def discard_dead(self, ids: Sequence[str] | None = None) -> Handled:
        """Delete these dead letters, or all.

        Raises:
            QueueUnavailable: The broker does not answer in time; the message says how many were deleted before.
        """
        ...

    async def replay_dead(self, ids: Sequence[str] | None = None) -> Handled:
        """Send these dead letters, or all, to their queue again; undecodable ones are skipped.

        Raises:
            QueueUnavailable: The broker does not answer in time; the message says how many were sent before.
        """
        ...

    async def close(self) -> None:
        """Close all connections. Consumers are closed by leaving their own contexts, before."""
        ...
