"""Consuming from PostgreSQL: rows are leased, and an advisory lock shows that their holder is alive.

Each connection of a consumer has a number, never used again, and holds the advisory lock (778, number) until it ends.
The consumer marks the rows that it takes with that number. Once the lock is free, the rows are given back within a
second; the rows of a frozen consumer, when their lease ends.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import structlog

from ml_service.domain.errors import QueueUnavailable
from ml_service.messaging.delivery_buffer import DeliveryBuffer
from ml_service.messaging.messages import UndecodableMessage, decode_results, decode_tasks
from ml_service.messaging.postgres.queue_connection import Connection, QueueConnection
from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import (
    DEAD_LETTERS,
    RESULTS,
    TASKS,
    QueueLimits,
    ResultDelivery,
    TaskDelivery,
    queue_of,
)

log = structlog.get_logger(__name__)

CONSUMER_LOCK = 778
"""First key of the lock that shows that a consumer is alive; the second is its number."""
QUEUE_LOCK = 777
"""First key of the shared lock by which a queue's consumers are counted; the second is `queue_key`."""
OTHERS_FIRST = 2
"""A requeued message is left to other consumers for so many times `poll_s`."""
TICK_S = 1.0
RECONNECT_S_MIN = 0.1

D = TypeVar("D", TaskDelivery, ResultDelivery)

# Uses the partial index queue_messages_ready, oldest first; skips rows that other consumers are taking.
TAKE = """
    WITH ready AS (
        SELECT id FROM queue_messages
        WHERE queue = $1 AND consumer IS NULL AND visible_at <= now() AND id <> ALL ($5::bigint[])
        ORDER BY id LIMIT $2
        FOR UPDATE SKIP LOCKED
    )
    UPDATE queue_messages AS message
    SET consumer = $3, leased_until = now() + $4 * interval '1 second', deliveries = deliveries + 1
    FROM ready WHERE message.id = ready.id
    RETURNING message.id, message.body, message.deliveries
"""
ACK = "DELETE FROM queue_messages WHERE id = ANY($1::bigint[]) AND consumer = $2"
RENEW = "UPDATE queue_messages SET leased_until = now() + $2 * interval '1 second' WHERE consumer = $1"
# A message with deliveries comes again marked redelivered. One that was only passed on keeps the mark that it had when
# it was taken, which added 1; what was requeued did no harm, so no more is counted.
REQUEUE = """
    UPDATE queue_messages
    SET consumer = NULL, leased_until = NULL, visible_at = now() + $3 * interval '1 second',
        deliveries = CASE WHEN $4 THEN 1 ELSE least(deliveries - 1, 1) END
    WHERE id = ANY($1::bigint[]) AND consumer = $2
"""
RELEASE = "UPDATE queue_messages SET consumer = NULL, leased_until = NULL WHERE consumer = $1"
BURY = """
    UPDATE queue_messages
    SET queue = $3, reason = $4, consumer = NULL, leased_until = NULL, deliveries = 0
    WHERE id = $1 AND consumer = $2
"""
# A statement of its own, run first: a number's lock, once free, stays free, so the next statement has no race.
DEAD_CONSUMERS = """
    SELECT holder.consumer FROM (SELECT DISTINCT consumer FROM queue_messages WHERE consumer IS NOT NULL) AS holder
    WHERE NOT EXISTS (
        SELECT FROM pg_locks
        WHERE locktype = 'advisory' AND classid = $1 AND objid = holder.consumer::oid AND objsubid = 2 AND granted
          AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )
"""
GIVE_BACK = """
    UPDATE queue_messages
    SET consumer = NULL, leased_until = NULL,
        queue = CASE WHEN deliveries >= $2 THEN $3 ELSE queue END,
        reason = CASE WHEN deliveries >= $2 THEN 'delivered ' || deliveries || ' times' END
    WHERE consumer = ANY($1::int[]) OR (consumer IS NOT NULL AND leased_until < now())
"""
EXPIRED = "SELECT EXISTS (SELECT FROM queue_messages WHERE consumer IS NOT NULL AND leased_until < now())"


def queue_key(queue: str) -> int:
    """The second key of the lock that a queue's consumers share."""
    return zlib.crc32(queue.encode()) & 0x7FFFFFFF


class PostgresConsumer(AbstractAsyncContextManager["PostgresConsumer[D]"], Generic[D]):
    """What the consumers of tasks and of durable results share."""

    channel = ""

    def __init__(self, url: str, name: str, limits: QueueLimits, queues: Sequence[str], prefetch: Prefetch) -> None:
        self.limits = limits
        self.connections = 0
        self._queues = tuple(dict.fromkeys(queues))
        self.prefetch = prefetch
        self._connection = QueueConnection(url, name=name, timeout_s=limits.timeout_s, prepare=self._prepare)
        self._buffer: DeliveryBuffer[D] = DeliveryBuffer()
        self._number = 0
        self._held: set[int] = set()
        """Ids of the rows marked with our number, handed out or not."""
        self._left_to_others: dict[int, float] = {}
        """Ids of rows that we requeued → loop time until which we do not take them."""
        self._stopped = False
        self._lost = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether deliveries can arrive now."""
        return self._connection.connected

    async def get_batch(self, messages_max: int, wait_ms: float, timeout_s: float | None = None) -> list[D]:
        """See `queue.TaskConsumer.get_batch`."""
        return await self._buffer.get_batch(messages_max, wait_ms, timeout_s, self._fetch)

    async def ack(self, deliveries: Sequence[D]) -> None:
        """See `queue.TaskConsumer.ack`: one statement."""
        ids = self._let_go(deliveries)
        if ids:
            await self._try("ack", lambda c: c.execute(ACK, ids, self._number))
            self._buffer.wake()

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep(), name=f"{self.channel} consumer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped = True
        waiting = [*self._tasks]
        if self._keeper is not None:
            self._keeper.cancel()
            waiting.append(self._keeper)
        await asyncio.wait(waiting)
        if self._connection.connected and self._held:
            await self._try("release", lambda c: c.execute(RELEASE, self._number))
        await self._connection.close()

    def decode(self, body: str, *, redelivered: bool, receipt: tuple[int, int]) -> D:
        """The delivery for a row.

        Raises:
            UndecodableMessage: Its body is not a message.
        """
        raise NotImplementedError

    async def drop_undecodable(self, row_id: int, reason: str) -> None:
        """Get rid of a row whose body is not a message."""
        raise NotImplementedError

    def _let_go(self, deliveries: Sequence[D]) -> list[int]:
        """Stop holding these; returns the ids of the rows that we still held."""
        ids = [row_id for number, row_id in (d.receipt for d in deliveries) if number == self._number]
        ids = [row_id for row_id in ids if row_id in self._held]
        self._held.difference_update(ids)
        return ids

    async def _try(self, what: str, work: Callable[[Connection], Awaitable[Any]]) -> None:
        """Run work that may fail: its messages are then delivered again, to us or to another consumer."""
        if not self._connection.connected:
            return
        try:
            await self._connection.run(work)
        except QueueUnavailable as error:
            log.warning("consumer_disconnected", consumer=self.channel, during=what, reason=str(error))

    # Taking

    async def _fetch(self, count: int) -> float:
        room = min(count, self.prefetch.messages - len(self._held))
        if room > 0 and not self._stopped and self._connection.connected:
            # Shielded: a reader that is cancelled during the statement must not lose its rows.
            task = asyncio.create_task(self._take(room))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            await asyncio.shield(task)
        return self.limits.poll_s

    async def _take(self, room: int) -> None:
        for queue in self._queues:
            if room <= 0:
                return
            try:
                number, rows = await self._connection.run(partial(self._taking, queue, room))
            except QueueUnavailable as error:
                log.warning("consumer_disconnected", consumer=self.channel, during="take", reason=str(error))
                return
            if number != self._number:
                return  # their connection is gone, and so they are given back
            room -= len(rows)
            for row in sorted(rows, key=lambda row: row["id"]):
                await self._receive(row)

    async def _taking(self, queue: str, count: int, connection: Connection) -> tuple[int, Sequence[Any]]:
        number = self._number  # read here: the connection may have been reopened for this
        now = asyncio.get_running_loop().time()
        self._left_to_others = {row_id: until for row_id, until in self._left_to_others.items() if until > now}
        left = list(self._left_to_others)
        return number, await connection.fetch(TAKE, queue, count, number, self.limits.lease_s, left)

    async def _receive(self, row: Any) -> None:
        self._held.add(row["id"])
        try:
            delivery = self.decode(row["body"], redelivered=row["deliveries"] > 1, receipt=(self._number, row["id"]))
        except UndecodableMessage as error:
            log.warning("undecodable_message", queue=self.channel, reason=str(error))
            self._held.discard(row["id"])
            await self.drop_undecodable(row["id"], f"undecodable: {error}")
            return
        self._buffer.put(delivery)

    # Keeping the connection and the leases, and giving back the rows of dead consumers

    async def _prepare(self, connection: Connection) -> None:
        lost = self._lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        number = await connection.fetchval("SELECT nextval('consumer_numbers')::int")
        await connection.execute("SELECT pg_advisory_lock($1, $2)", CONSUMER_LOCK, number)
        for queue in self._queues:
            await connection.execute("SELECT pg_advisory_lock_shared($1, $2)", QUEUE_LOCK, queue_key(queue))
        await connection.add_listener(self.channel, self._notified)
        self._held.clear()
        self._buffer.clear()
        self._number = number
        self.connections += 1

    def _notified(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        if not payload or payload in self._queues:
            self._buffer.wake()

    async def _keep(self) -> None:
        pause_s = RECONNECT_S_MIN
        renew_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                fresh = not self._connection.connected
                await self._connection.run(self._give_back)
                if fresh:
                    log.info("consumer_connected", consumer=self.channel, connections=self.connections)
                    self._buffer.wake()
                if self._held and loop.time() >= renew_at:
                    renew_at = loop.time() + self.limits.lease_s / 3
                    await self._connection.run(lambda c: c.execute(RENEW, self._number, self.limits.lease_s))
                pause_s = RECONNECT_S_MIN
                await self._tick()
            except Exception as error:
                if not isinstance(error, QueueUnavailable):
                    log.exception("consumer_failed", consumer=self.channel)  # a bug must not leave it silent forever
                log.warning("consumer_disconnected", consumer=self.channel, reason=str(error), again_in_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, self.limits.reconnect_s_max)

    async def _tick(self) -> None:
        try:
            async with asyncio.timeout(TICK_S):
                await self._lost.wait()
        except TimeoutError:
            return
        await asyncio.sleep(RECONNECT_S_MIN)

    async def _give_back(self, connection: Connection) -> None:
        dead = [row["consumer"] for row in await connection.fetch(DEAD_CONSUMERS, CONSUMER_LOCK)]
        if dead or await connection.fetchval(EXPIRED):
            given = await connection.execute(GIVE_BACK, dead, self.limits.deliveries_max, DEAD_LETTERS)
            log.warning("messages_given_back", consumers=dead, messages=int(given.split()[-1]))
            self._buffer.wake()


class PostgresTaskConsumer(PostgresConsumer[TaskDelivery]):
    """Takes the tasks of some pools; see `queue.TaskConsumer`."""

    channel = TASKS

    def __init__(self, url: str, name: str, limits: QueueLimits, pools: Sequence[str], prefetch: Prefetch) -> None:
        super().__init__(url, name, limits, [queue_of(pool) for pool in pools], prefetch)

    def decode(self, body: str, *, redelivered: bool, receipt: tuple[int, int]) -> TaskDelivery:
        """See `PostgresConsumer.decode`."""
        message = decode_tasks(body)
        self.prefetch.note(len(message.ids))
        return TaskDelivery(message, redelivered, receipt)

    async def drop_undecodable(self, row_id: int, reason: str) -> None:
        """Make it a dead letter."""
        await self._try("bury", lambda c: c.execute(BURY, row_id, self._number, DEAD_LETTERS, reason))

    async def requeue(self, deliveries: Sequence[TaskDelivery], *, begun: bool) -> None:
        """See `queue.TaskConsumer.requeue`."""
        ids = self._let_go(deliveries)
        if ids:
            delay_s = self.limits.requeue_delay_s
            # Who requeues looks for messages at the moment when they come back, and would take them every time. The
            # others, who look every `poll_s`, come first.
            until = asyncio.get_running_loop().time() + delay_s + OTHERS_FIRST * self.limits.poll_s
            self._left_to_others.update(dict.fromkeys(ids, until))
            await self._try("requeue", lambda c: c.execute(REQUEUE, ids, self._number, delay_s, begun))

    async def reject(self, delivery: TaskDelivery, reason: str) -> None:
        """See `queue.TaskConsumer.reject`."""
        for row_id in self._let_go([delivery]):
            await self.drop_undecodable(row_id, reason[:1000])

    async def stop(self) -> None:
        """See `queue.TaskConsumer.stop`."""
        self._stopped = True
        if self._tasks:
            await asyncio.wait(self._tasks)
        ids = self._let_go(self._buffer.clear())
        if ids:
            await self._try("release", lambda c: c.execute(REQUEUE, ids, self._number, 0, False))  # noqa: FBT003


class PostgresResultConsumer(PostgresConsumer[ResultDelivery]):
    """Reads the durable results; see `queue.ResultConsumer`."""

    channel = RESULTS

    def decode(self, body: str, *, redelivered: bool, receipt: tuple[int, int]) -> ResultDelivery:
        """See `PostgresConsumer.decode`."""
        return ResultDelivery(decode_results(body), redelivered, receipt)

    async def drop_undecodable(self, row_id: int, reason: str) -> None:
        """Delete it: the table has all results."""
        del reason
        await self._try("drop", lambda c: c.execute(ACK, [row_id], self._number))

    def _notified(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        del payload  # it carries the results, for live readers
        self._buffer.wake()
