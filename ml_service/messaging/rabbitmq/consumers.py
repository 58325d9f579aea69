"""Consuming from RabbitMQ: tasks for the workers, results for those who wait for them."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Sequence
from itertools import count
from types import TracebackType

import structlog
from pamqp import commands

from ml_service.domain.errors import QueueUnavailable
from ml_service.messaging.messages import UndecodableMessage, decode_results, decode_tasks, encode_tasks
from ml_service.messaging.prefetch import Prefetch
from ml_service.messaging.queue import (
    DEAD_LETTERS,
    RESULTS,
    TASKS,
    ResultDelivery,
    ResultMessage,
    TaskDelivery,
    TaskMessage,
    queue_of,
)
from ml_service.messaging.rabbitmq.client.channel import AmqpError, Channel, Content
from ml_service.messaging.rabbitmq.client.connection import AmqpConnection
from ml_service.messaging.rabbitmq.dead_letters import REASON
from ml_service.messaging.rabbitmq.publishing import ConfirmedPublisher, Outgoing
from ml_service.messaging.rabbitmq.subscription import Connect, Subscription
from ml_service.messaging.rabbitmq.topology import Topology

log = structlog.get_logger(__name__)

REDELIVERED = "x-redelivered"
REFIT_S_MIN = 0.2
"""Seconds between two changes of the prefetch, at least."""


class RabbitTaskConsumer(Subscription[TaskDelivery]):
    """Takes the tasks of some pools; see `queue.TaskConsumer`."""

    name = "tasks"

    def __init__(
        self,
        connect: Connect,
        topology: Topology,
        publisher: ConfirmedPublisher,
        pools: Sequence[str],
        prefetch: Prefetch,
    ) -> None:
        super().__init__(connect, topology.limits)
        self._topology = topology
        self._publisher = publisher
        self._pools = tuple(dict.fromkeys(pools))
        self._prefetch = prefetch
        self._prefetch_told = 0
        self._tags: dict[str, str] = {}
        """Consumer tag → pool. Never reused: the broker keeps a canceled tag while its messages are unacked."""
        self._numbers = count(1)
        self._subscribing = asyncio.Lock()
        self._refit_timer: asyncio.TimerHandle | None = None
        self._resting: set[asyncio.Task[None]] = set()
        self._leaving = asyncio.Event()

    async def subscribe(self, connection: AmqpConnection, channel: Channel) -> None:
        """Consume the queue of each pool; the prefetch counts for each queue separately."""
        self._tags.clear()
        async with self._subscribing:
            for pool in self._pools:
                await self._topology.ensure_pool(connection, pool)
            await self._consume(channel, self._pools)

    async def resubscribe(self, connection: AmqpConnection, channel: Channel, tag: str) -> None:
        """A queue was deleted: create it again. Deliveries from other queues stay valid."""
        async with self._subscribing:
            pool = self._tags.pop(tag, None)
            if pool is not None:
                log.warning("queue_lost", queue=queue_of(pool))
                await self._topology.ensure_pool(connection, pool)
                await self._consume(channel, [pool])

    async def refit(self, channel: Channel) -> None:
        """Cancel and consume again with another prefetch, the only way to change it. Unacked deliveries stay valid."""
        async with self._subscribing:
            if self._stopped or not self._prefetch.has_moved(self._prefetch_told):
                return
            await self._cancel(channel)
            await self._consume(channel, self._pools)
        log.debug("prefetch_changed", messages=self._prefetch_told)

    async def requeue(self, deliveries: Sequence[TaskDelivery], *, begun: bool) -> None:
        """See `queue.TaskConsumer.requeue`.

        They wait here, unacked, so that the prefetch slows this consumer; an immediate nack would loop at full speed.
        """
        task = asyncio.create_task(self._give_back_later(list(deliveries), begun=begun))
        self._resting.add(task)
        task.add_done_callback(self._resting.discard)

    async def reject(self, delivery: TaskDelivery, reason: str) -> None:
        """See `queue.TaskConsumer.reject`. A copy carries the reason; the broker itself would only say "rejected"."""
        copy = Outgoing(DEAD_LETTERS, "", encode_tasks(delivery.message), {REASON: reason[:1000]})
        try:
            await self._publisher.publish([copy])
        except QueueUnavailable:
            self.nack([delivery], requeue=False)
        else:
            await self.ack([delivery])

    async def stop(self) -> None:
        """See `queue.TaskConsumer.stop`."""
        self._stopped = True
        channel = self._channel
        if channel is not None and channel.error is None:
            try:
                async with self._subscribing:
                    await self._cancel(channel)
            except (AmqpError, TimeoutError):
                return
        await self._give_back(self.buffer.clear(), begun=False)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._refit_timer is not None:
            self._refit_timer.cancel()
        # What still waits here goes now: closing the connection would give it back, too, but marked. A copy that is
        # being published is confirmed first, and its original acked, or there would be two.
        self._leaving.set()
        if self._resting:
            await asyncio.wait(self._resting)
        await super().__aexit__(kind, error, trace)

    def receive(self, content: Content, delivery: commands.Basic.Deliver) -> None:
        """Hand out a task; a body that is not one goes to the dead letters."""
        tag = delivery.delivery_tag or 0
        receipt = self.track(tag)
        try:
            message = decode_tasks(content.body)
        except UndecodableMessage as error:
            log.warning("undecodable_message", queue=delivery.routing_key, reason=str(error))
            self.nack_tags([tag], requeue=False)
            return
        headers = content.properties.headers or {}
        redelivered = bool(delivery.redelivered or headers.get(REDELIVERED))
        self.buffer.put(TaskDelivery(message, redelivered, receipt))
        self._prefetch.note(len(message.ids))
        if self._refit_timer is None and self._prefetch.has_moved(self._prefetch_told):
            self._refit_timer = asyncio.get_running_loop().call_later(REFIT_S_MIN, self._refit_soon)

    def _refit_soon(self) -> None:
        self._refit_timer = None
        self.wants_refit()

    async def _consume(self, channel: Channel, pools: Sequence[str]) -> None:
        self._prefetch_told = self._prefetch.messages
        await channel.call(commands.Basic.Qos(0, self._prefetch_told, False), self.limits.timeout_s)  # noqa: FBT003
        for pool in pools:
            tag = f"{pool}.{next(self._numbers)}"
            self._tags[tag] = pool
            await channel.call(commands.Basic.Consume(queue=queue_of(pool), consumer_tag=tag), self.limits.timeout_s)

    async def _cancel(self, channel: Channel) -> None:
        tags = list(self._tags)
        self._tags.clear()
        for tag in tags:
            await channel.call(commands.Basic.Cancel(consumer_tag=tag), self.limits.timeout_s)

    async def _give_back_later(self, deliveries: list[TaskDelivery], *, begun: bool) -> None:
        # The broker serves its consumers in turn: of two that return each other's messages at the same pace, each would
        # get back what it has just returned, again and again.
        delay_s = self.limits.requeue_delay_s * random.uniform(1, 2)  # noqa: S311
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay_s):
                await self._leaving.wait()
        await self._give_back(deliveries, begun=begun)

    async def _give_back(self, deliveries: Sequence[TaskDelivery], *, begun: bool) -> None:
        # A copy, not a nack: RabbitMQ marks what a nack gives back, and 3.10 counts nacks towards the delivery limit;
        # these messages did no harm. Until the copy is confirmed, the broker has the original.
        if not self.connected:
            return  # the broker has given them back
        alive = [d for d in deliveries if d.receipt[0] == self._epoch and d.receipt[1] in self._unacked]
        copies = [_copy(one.message, redelivered=begun or one.redelivered) for one in alive]
        try:
            await self._publisher.publish(copies)
        except QueueUnavailable:
            self.nack(alive, requeue=True)
        else:
            await self.ack(alive)


class RabbitResultConsumer(Subscription[ResultDelivery]):
    """Reads results, live or from the durable queue; see `queue.ResultConsumer`."""

    name = "results"

    def __init__(self, connect: Connect, topology: Topology, name: str | None) -> None:
        super().__init__(
            connect, topology.limits, messages_max=topology.limits.live_results_max if name is None else None
        )
        self._durable_name = name

    async def subscribe(self, connection: AmqpConnection, channel: Channel) -> None:
        """Consume the durable queue, or an exclusive one that ends with this connection."""
        del connection  # `connect` has declared everything on it
        timeout_s = self.limits.timeout_s
        if self._durable_name is not None:
            await channel.call(commands.Basic.Qos(0, 256, False), timeout_s)  # noqa: FBT003
            await channel.call(commands.Basic.Consume(queue=self._durable_name), timeout_s)
            return
        declare = commands.Queue.Declare(
            queue="",
            exclusive=True,
            auto_delete=True,
            arguments={"x-max-length": self.limits.live_results_max},
        )
        declared = await channel.call(declare, timeout_s)
        queue = str(declared.queue) if isinstance(declared, commands.Queue.DeclareOk) else ""
        await channel.call(commands.Queue.Bind(queue=queue, exchange=RESULTS, routing_key=""), timeout_s)
        await channel.call(commands.Basic.Consume(queue=queue, no_ack=True, exclusive=True), timeout_s)

    def receive(self, content: Content, delivery: commands.Basic.Deliver) -> None:
        """Hand out results; an undecodable body is dropped, since the table has all results."""
        tag = delivery.delivery_tag or 0
        receipt = (self._epoch, tag) if self._durable_name is None else self.track(tag)
        try:
            message: ResultMessage = decode_results(content.body)
        except UndecodableMessage as error:
            log.warning("undecodable_message", queue=RESULTS, reason=str(error))
            self._unacked.pop(tag, None)
            if self._durable_name is not None:
                self._send(commands.Basic.Ack(tag))
            return
        self.buffer.put(ResultDelivery(message, bool(delivery.redelivered), receipt))


def _copy(message: TaskMessage, *, redelivered: bool) -> Outgoing:
    return Outgoing(TASKS, message.pool, encode_tasks(message), {REDELIVERED: True} if redelivered else None)
