"""The queue in PostgreSQL, for systems without RabbitMQ: rows of ``queue_messages``, and NOTIFY.

Consumers take rows with SKIP LOCKED (see `consumers`). A consumer sleeps until a NOTIFY arrives, at most half a second.
Notifications serialise the commits that carry them, so a busy publisher sends at most one per 5 ms. The queue's only
bound is the database's disk: the service bounds its backlog before it publishes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import structlog

from ml_service.domain.errors import QueueUnavailable
from ml_service.messaging.messages import encode_results, encode_tasks
from ml_service.messaging.postgres.consumers import (
    QUEUE_LOCK,
    PostgresResultConsumer,
    PostgresTaskConsumer,
    queue_key,
)
from ml_service.messaging.postgres.dead_letters import (
    PAGE,
    count_letters,
    discard_letters,
    find_letter,
    list_letters,
    replay_page,
)
from ml_service.messaging.postgres.live_results import PostgresLiveResults
from ml_service.messaging.postgres.queue_connection import Connection, QueueConnection
from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import (
    CREATED,
    NO_SUCH_LETTER,
    RESULTS,
    TASKS,
    DeadLetter,
    Handled,
    QueueDepth,
    QueueLimits,
    ResultConsumer,
    ResultMessage,
    TaskConsumer,
    TaskMessage,
    interrupted,
    queue_of,
)

log = structlog.get_logger(__name__)

NOTIFY_EVERY_S = 0.005
TRIM_EVERY_S = 5.0
RESULTS_PER_NOTIFY = 50
"""A notification carries at most 8,000 bytes; a result takes about 130."""
RESULT_PREFETCH = 256

INSERT = """
    INSERT INTO queue_messages (queue, body)
    SELECT queue, body FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS new (queue, body, place)
    ORDER BY place
"""
INSERT_AND_NOTIFY = f"""
    WITH inserted AS ({INSERT} RETURNING 1)
    SELECT pg_notify($3, queue) FROM (SELECT DISTINCT queue FROM unnest($1::text[]) AS queue) AS queues
"""  # noqa: S608 - joined from constants
INSERT_RESULTS = """
    WITH inserted AS (INSERT INTO queue_messages (queue, body) VALUES ($1, $2) RETURNING 1)
    SELECT pg_notify($1, part) FROM unnest($3::text[]) AS part
"""
TRIM_RESULTS = """
    DELETE FROM queue_messages
    WHERE queue = $1 AND consumer IS NULL AND (
        enqueued_at < now() - $2 * interval '1 second'
        OR id <= (
            SELECT id FROM queue_messages WHERE queue = $1 AND consumer IS NULL
            ORDER BY id DESC OFFSET $3 LIMIT 1
        )
    )
"""
DEPTH = """
    SELECT count(*) FILTER (WHERE consumer IS NULL) AS ready, count(consumer) AS unacked,
        (SELECT count(*) FROM pg_locks
         WHERE locktype = 'advisory' AND classid = $2 AND objid = $3::int::oid AND objsubid = 2 AND granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) AS consumers
    FROM queue_messages WHERE queue = $1
"""
# This row is missing in a table that was restored or emptied; it is unread while ``deliveries`` is 0.
CLEAR_CREATED = "UPDATE queue_messages SET deliveries = 1 WHERE queue = $1"
MARK_CREATED = """
    INSERT INTO queue_messages (queue, body) SELECT $1, 'queue_messages is in use'
    WHERE NOT EXISTS (SELECT FROM queue_messages WHERE queue = $1)
"""
IS_CREATED = "SELECT EXISTS (SELECT FROM queue_messages WHERE queue = $1 AND deliveries = 0)"


class PostgresQueue:
    """The PostgreSQL backend of `queue.Queue`: one connection, and one per consumer."""

    def __init__(self, url: str, *, name: str, limits: QueueLimits) -> None:
        self._url = url
        self._name = name
        self._limits = limits
        self._connection = QueueConnection(url, name=f"{name} queue", timeout_s=limits.timeout_s)
        self._notified_at = 0.0
        self._to_notify: set[str] = set()
        self._notifier: asyncio.Task[None] | None = None
        self._trimmed_at = 0.0
        self._created_seen = False

    @property
    def connected(self) -> bool:
        """See `queue.Queue.connected`."""
        return self._connection.connected

    async def publish_tasks(self, messages: Sequence[TaskMessage]) -> None:
        """See `queue.Queue.publish_tasks`."""
        if not messages:
            return
        queues = [queue_of(message.pool) for message in messages]
        bodies = [encode_tasks(message).decode() for message in messages]
        now = asyncio.get_running_loop().time()
        if now - self._notified_at >= NOTIFY_EVERY_S:
            self._notified_at = now
            await self._connection.run(lambda c: c.execute(INSERT_AND_NOTIFY, queues, bodies, TASKS))
            return
        await self._connection.run(lambda c: c.execute(INSERT, queues, bodies))
        self._to_notify.update(queues)
        if self._notifier is None or self._notifier.done():
            self._notifier = asyncio.create_task(self._notify_soon())

    async def publish_results(self, message: ResultMessage) -> None:
        """See `queue.Queue.publish_results`."""
        body = encode_results(message).decode()
        results = message.results
        parts = [body]
        if len(results) > RESULTS_PER_NOTIFY:
            starts = range(0, len(results), RESULTS_PER_NOTIFY)
            cut = [ResultMessage(results[start : start + RESULTS_PER_NOTIFY]) for start in starts]
            parts = [encode_results(part).decode() for part in cut]
        await self._connection.run(lambda c: c.execute(INSERT_RESULTS, RESULTS, body, parts))
        now = asyncio.get_running_loop().time()
        if now - self._trimmed_at >= TRIM_EVERY_S:
            self._trimmed_at = now
            await self._trim()

    @asynccontextmanager
    async def consume_tasks(self, pools: Sequence[str], prefetch: Prefetch) -> AsyncIterator[TaskConsumer]:
        """See `queue.Queue.consume_tasks`."""
        name = f"{self._name} tasks"
        async with PostgresTaskConsumer(self._url, name, self._limits, pools, prefetch) as consumer:
            yield consumer

    @asynccontextmanager
    async def consume_results(self, name: str | None) -> AsyncIterator[ResultConsumer]:
        """See `queue.Queue.consume_results`."""
        consumer: PostgresLiveResults | PostgresResultConsumer
        if name is None:
            consumer = PostgresLiveResults(self._url, f"{self._name} live results", self._limits)
        else:
            consumer = PostgresResultConsumer(
                self._url, f"{self._name} results", self._limits, [name], Prefetch(RESULT_PREFETCH, 1)
            )
        async with consumer:
            yield consumer

    async def depth(self, pool: str) -> QueueDepth:
        """See `queue.Queue.depth`."""
        queue = queue_of(pool)
        row = await self._connection.run(lambda c: c.fetchrow(DEPTH, queue, QUEUE_LOCK, queue_key(queue)))
        if row is None:
            raise QueueUnavailable("The queue's database returned nothing.")
        return QueueDepth(row["ready"], row["unacked"], row["consumers"], exists=True)

    async def declare(self) -> bool:
        """See `queue.Queue.declare`. A migration creates the table; this notices if it was emptied or restored."""

        async def mark(connection: Connection) -> bool:
            if self._created_seen:
                await connection.execute(CLEAR_CREATED, CREATED)
            await connection.execute(MARK_CREATED, CREATED)
            return bool(await connection.fetchval(IS_CREATED, CREATED))

        self._created_seen = await self._connection.run(mark)
        return self._created_seen

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        """See `queue.Queue.dead_letters`."""
        return await self._connection.run(lambda c: list_letters(c, limit))

    async def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """See `queue.Queue.dead_letter`."""
        return await self._connection.run(lambda c: find_letter(c, letter_id))

    async def count_dead(self) -> int:
        """See `queue.Queue.count_dead`."""
        return await self._connection.run(count_letters)

    async def discard_dead(self, ids: Sequence[str] | None = None) -> Handled:
        """See `queue.Queue.discard_dead`."""
        return await self._connection.run(lambda c: discard_letters(c, ids))

    async def replay_dead(self, ids: Sequence[str] | None = None) -> Handled:
        """See `queue.Queue.replay_dead`."""
        handled = Handled()
        missing = dict.fromkeys(ids or ())
        after = 0
        while True:  # a page at a time: each stays within the time limit, whatever their number
            try:
                page = await self._connection.run(partial(replay_page, ids=ids, after=after, handled=handled))
            except QueueUnavailable as error:
                raise interrupted(error.message, handled) from error
            for letter_id in page:
                missing.pop(letter_id, None)
            if len(page) < PAGE:
                break
            after = int(page[-1])
        for letter_id in missing:
            handled.skip(letter_id, NO_SUCH_LETTER)
        return handled

    async def close(self) -> None:
        """See `queue.Queue.close`."""
        if self._notifier is not None:
            await asyncio.wait([self._notifier])
        await self._connection.close()

    async def _notify_soon(self) -> None:
        await asyncio.sleep(NOTIFY_EVERY_S)
        queues, self._to_notify = sorted(self._to_notify), set()
        self._notified_at = asyncio.get_running_loop().time()
        try:
            await self._connection.run(
                lambda c: c.execute("SELECT pg_notify($1, queue) FROM unnest($2::text[]) AS queue", TASKS, queues)
            )
        except QueueUnavailable as error:
            log.debug("tasks_not_notified", reason=str(error))  # consumers look for messages twice a second anyway

    async def _trim(self) -> None:
        limits = self._limits
        await self._connection.run(
            lambda c: c.execute(TRIM_RESULTS, RESULTS, limits.results_age_s_max, limits.results_max)
        )
