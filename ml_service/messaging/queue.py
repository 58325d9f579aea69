"""The queue as the services see it: at-least-once, in batches, with dead letters.

Two backends keep this promise, `rabbitmq.py` and `postgres.py`; `tests/contract` holds both to it. Who publishes hears
of every message whether the broker has it; who consumes acks only after its own commit. Whatever is delivered twice is
the database's to notice: money is never decided by an ack.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Protocol
from uuid import UUID

import msgspec

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
        timeout_s: Seconds that one window of a publish, or one question to the broker, may take.
        heartbeat_s: A peer that is silent for twice as long counts as dead.
        reconnect_s_max: The longest pause between two attempts to connect; it grows from a tenth of a second.
        requeue_delay_s: How long a message rests that a consumer could not work on now.
        deliveries_max: A message delivered more often is dead: it kills who takes it. Attempts of a
            prediction are counted in its row; this only stops what never reaches the row.
        tasks_max: Task messages that one queue holds; beyond it a publish is refused.
        results_max: Result messages kept for a durable reader who is away; the oldest go first.
        results_age_s_max: Seconds after which a kept result message goes.
        live_results_max: Messages that one live reader may be behind.
        lease_s: Seconds after which a frozen consumer's messages are given to another (PostgreSQL).
        poll_s: How often a consumer looks when nothing wakes it (PostgreSQL).
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
    """Asks the workers of ``pool`` for predictions: the ids of a burst, at most one batch of one model.

    ``bulk`` are predictions of a batch request: nobody waits for each, and single ones go first.
    """

    pool: str
    model: str
    ids: tuple[UUID, ...]
    bulk: bool = False


class Result(msgspec.Struct, frozen=True, gc=False):
    """Says that a prediction has reached ``status``; the answer itself is in the table. On the wire as it is here."""

    id: UUID
    user_id: UUID
    status: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


@dataclass(frozen=True, slots=True)
class ResultMessage:
    """The results of a batch."""

    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class TaskDelivery:
    """A task message in a worker's hands.

    Attributes:
        redelivered: Somebody may have begun it before. Never false for a message that was handed out already.
        receipt: The backend's own; an ack from before a reconnect is told by it.
    """

    message: TaskMessage
    redelivered: bool
    receipt: tuple[int, int] = field(compare=False)


@dataclass(frozen=True, slots=True)
class ResultDelivery:
    """A result message in a reader's hands; see `TaskDelivery`."""

    message: ResultMessage
    redelivered: bool
    receipt: tuple[int, int] = field(compare=False)


@dataclass(frozen=True, slots=True)
class QueueDepth:
    """How full a task queue is.

    Attributes:
        ready: Messages that wait for a consumer. Counts lag by a moment on RabbitMQ.
        unacked: Messages in consumers' hands; None where the broker does not say (AMQP has no such question).
        consumers: Connected consumers of this queue.
        exists: False if the queue is missing; `Queue.declare` makes it.
    """

    ready: int
    unacked: int | None
    consumers: int
    exists: bool


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that nobody could work on.

    Attributes:
        id: Names it for `Queue.discard_dead` and `Queue.replay_dead`.
        body: As it came; it may be anything.
        reason: Why it is here, in words.
        message: The body decoded, or None if it cannot be.
        since: When it was published or died, where that is known.
    """

    id: str
    body: str
    reason: str
    message: TaskMessage | None
    since: datetime | None


class TaskConsumer(Protocol):
    """A worker's end of the task queues. It reconnects for ever; meanwhile `get_batch` waits."""

    @property
    def connected(self) -> bool:
        """Whether deliveries can come at this moment."""
        ...

    async def get_batch(self, messages_max: int, wait_ms: float, timeout_s: float | None = None) -> list[TaskDelivery]:
        """Wait for a first message, then gather what is there, and what comes within ``wait_ms``.

        Safe to cancel: what had arrived is there for the next call.

        Args:
            messages_max: At most so many, 1 or more.
            wait_ms: Milliseconds to wait for more after the first; 0 takes what is there.
            timeout_s: Give up waiting for the first after so many seconds; None waits for ever.

        Returns:
            In the order of the queue; empty only after ``timeout_s``.
        """
        ...

    async def ack(self, deliveries: Sequence[TaskDelivery]) -> None:
        """These are done. Where the connection was lost meanwhile they come again; that is no error."""
        ...

    async def requeue(self, deliveries: Sequence[TaskDelivery]) -> None:
        """Give these back for later: they come again, redelivered, after ``requeue_delay_s``."""
        ...

    async def reject(self, delivery: TaskDelivery, reason: str) -> None:
        """Nobody can ever work on this: to the dead letters, with ``reason`` (one sentence)."""
        ...

    async def stop(self) -> None:
        """Take no more, and give back what was not handed out; what was can still be acked."""
        ...


class ResultConsumer(Protocol):
    """A reader's end of the results. It reconnects for ever; meanwhile `get_batch` waits."""

    @property
    def connected(self) -> bool:
        """Whether deliveries can come at this moment."""
        ...

    @property
    def connections(self) -> int:
        """How often it has connected. A live reader that sees it grow has missed something: read the rows."""
        ...

    async def get_batch(
        self, messages_max: int, wait_ms: float, timeout_s: float | None = None
    ) -> list[ResultDelivery]:
        """As `TaskConsumer.get_batch`."""
        ...

    async def ack(self, deliveries: Sequence[ResultDelivery]) -> None:
        """These are read. A live reader need not say so."""
        ...


class Queue(Protocol):
    """A queue backend. One per process; safe for concurrent use by tasks of one event loop."""

    @property
    def connected(self) -> bool:
        """Whether the last exchange with the broker succeeded and the connection stands."""
        ...

    async def publish_tasks(self, messages: Sequence[TaskMessage]) -> None:
        """Send a burst; return when the broker has confirmed all of it.

        Raises:
            QueueUnavailable: Not everything was confirmed in time. Any part may still have arrived.
        """
        ...

    async def publish_results(self, message: ResultMessage) -> None:
        """Tell all live readers and the durable queue; the same promise as `publish_tasks`."""
        ...

    def consume_tasks(self, pools: Sequence[str], prefetch: Prefetch) -> AbstractAsyncContextManager[TaskConsumer]:
        """Take tasks of ``pools``, at most ``prefetch.messages`` of each unacked at a time.

        Entering returns at once, even where the broker is away. Leaving gives back what is not acked.
        """
        ...

    def consume_results(self, name: str | None) -> AbstractAsyncContextManager[ResultConsumer]:
        """Read results: all that come while connected (``None``), or from the durable queue ``"ml_results"``."""
        ...

    async def depth(self, pool: str) -> QueueDepth:
        """Ask how full the queue of ``pool`` is.

        Raises:
            QueueUnavailable: The broker does not answer in time.
        """
        ...

    async def declare(self) -> bool:
        """Make what is missing; cheap enough for once a second.

        Returns:
            True if a task queue was made anew since the last call, by this or any other process. What the old one
            held is lost: send all open rows again. The news is forgotten only by the *next* call, so that
            it outlives a caller that dies before it has done so.

        Raises:
            QueueUnavailable: The broker does not answer in time.
        """
        ...

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """The oldest dead letters; they stay where they are.

        Raises:
            QueueUnavailable: The broker does not answer in time.
        """
        ...

    async def discard_dead(self, ids: Sequence[str] | None = None) -> int:
        """Delete these dead letters, or all; returns how many went.

        Raises:
            QueueUnavailable: The broker does not answer in time.
        """
        ...

    async def replay_dead(self, ids: Sequence[str] | None = None) -> int:
        """Send these dead letters, or all, to their queue again; undecodable ones stay. Returns how many went.

        Raises:
            QueueUnavailable: The broker does not answer in time.
        """
        ...

    async def close(self) -> None:
        """Close all connections. Consumers are closed by leaving their own contexts, before."""
        ...
