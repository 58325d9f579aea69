"""One connection to PostgreSQL for the queue, with a time limit on everything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, TypeVar

import asyncpg

from ml_service.domain.errors import QueueUnavailable

T = TypeVar("T")
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

UNAVAILABLE: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What asyncpg raises. A faulty statement counts too: it means that the schema does not exist yet."""


class QueueConnection:
    """A connection to PostgreSQL that is opened when needed and dropped when anything goes wrong on it.

    Not a pool: the queue's statements are few and short, and a consumer's advisory lock lives on its connection.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        timeout_s: float,
        prepare: Callable[[Connection], Awaitable[None]] | None = None,
    ) -> None:
        """Prepare it; nothing is opened yet.

        Args:
            url: The database's URL.
            name: Shown in ``pg_stat_activity``.
            timeout_s: Seconds for each piece of work, including connecting and waiting for its turn.
            prepare: Runs first on each new connection.
        """
        self._url = url
        self._name = name
        self._timeout_s = timeout_s
        self._prepare = prepare
        self._connection: Connection | None = None
        self._turn = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Whether the connection is open."""
        return self._connection is not None and not self._connection.is_closed()

    async def run(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Run ``work`` on the connection, one piece at a time.

        Raises:
            QueueUnavailable: The server is away or did not answer in time. The statement may still take effect.
        """
        try:
            async with asyncio.timeout(self._timeout_s), self._turn:
                try:
                    return await work(await self._open())
                except BaseException:
                    # The server may still be working; the answer to a cancelled statement may yet arrive.
                    self.drop()
                    raise
        except UNAVAILABLE as error:
            raise QueueUnavailable(f"The queue's database is away: {error or 'it does not answer'}") from error

    def drop(self) -> None:
        """Drop the connection at once. Its locks are released as soon as the server notices."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()

    async def close(self) -> None:
        """Close the connection in good order, within 2 s."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            try:
                await connection.close(timeout=2)
            except UNAVAILABLE:
                connection.terminate()

    async def _open(self) -> Connection:
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        settings: dict[str, Any] = {
            "application_name": self._name,
            # The table `predictions` is the truth: messages that a database crash loses are sent again. No lost message
            # stays marked as published: the mark comes later in the same log, and a crash only cuts off the log's end.
            "synchronous_commit": "off",
            "jit": "off",
            "timezone": "UTC",
        }
        connection = await asyncpg.connect(
            self._url, timeout=self._timeout_s, command_timeout=self._timeout_s, server_settings=settings
        )
        if self._prepare is not None:
            try:
                await self._prepare(connection)
            except BaseException:
                connection.terminate()
                raise
        self._connection = connection
        return connection
