"""Live results by NOTIFY: listeners get them within a millisecond, and nothing stores them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Self

import structlog

from ml_service.domain.errors import QueueUnavailable
from ml_service.messaging.delivery_buffer import DeliveryBuffer
from ml_service.messaging.messages import UndecodableMessage, decode_results
from ml_service.messaging.postgres.queue_connection import Connection, QueueConnection
from ml_service.messaging.queue import RESULTS, QueueLimits, ResultDelivery

log = structlog.get_logger(__name__)

RECONNECT_S_MIN = 0.1


class PostgresLiveResults(AbstractAsyncContextManager["PostgresLiveResults"]):
    """Reads results that are published while it is connected; see `queue.ResultConsumer`."""

    def __init__(self, url: str, name: str, limits: QueueLimits) -> None:
        self.connections = 0
        self._limits = limits
        self._connection = QueueConnection(url, name=name, timeout_s=limits.timeout_s, prepare=self._listen)
        self._buffer: DeliveryBuffer[ResultDelivery] = DeliveryBuffer(limits.live_results_max)
        self._lost = asyncio.Event()
        self._number = 0
        self._keeper: asyncio.Task[None] | None = None

    @property
    def connected(self) -> bool:
        """Whether deliveries can arrive now."""
        return self._connection.connected

    async def get_batch(
        self, messages_max: int, wait_ms: float, timeout_s: float | None = None
    ) -> list[ResultDelivery]:
        """See `queue.ResultConsumer.get_batch`."""
        return await self._buffer.get_batch(messages_max, wait_ms, timeout_s)

    async def ack(self, deliveries: Sequence[ResultDelivery]) -> None:
        """Does nothing: nothing is stored."""

    async def __aenter__(self) -> Self:
        self._keeper = asyncio.create_task(self._keep(), name="live results")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        await self._connection.close()

    async def _listen(self, connection: Connection) -> None:
        lost = self._lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        await connection.add_listener(RESULTS, self._notified)
        self.connections += 1

    def _notified(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        try:
            message = decode_results(str(payload))
        except UndecodableMessage as error:
            log.warning("undecodable_message", queue=RESULTS, reason=str(error))
            return
        self._number += 1
        self._buffer.put(ResultDelivery(message, redelivered=False, receipt=(self.connections, self._number)))

    async def _keep(self) -> None:
        pause_s = RECONNECT_S_MIN
        while True:
            try:
                # A statement now and then, so that a server that vanished is noticed by its silence.
                await self._connection.run(lambda c: c.execute("SELECT 1"))
                pause_s = RECONNECT_S_MIN
                await self._until_lost(self._limits.heartbeat_s / 2)
            except Exception as error:
                if not isinstance(error, QueueUnavailable):
                    log.exception("consumer_failed", consumer="live")  # a bug must not leave it silent forever
                log.warning("consumer_disconnected", consumer="live", reason=str(error), again_in_s=pause_s)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, self._limits.reconnect_s_max)

    async def _until_lost(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._lost.wait()
        except TimeoutError:
            return
        await asyncio.sleep(RECONNECT_S_MIN)
