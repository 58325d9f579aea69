"""The pool of connections to PostgreSQL, and the one place where a transaction of the database begins and ends.

Everything that can go wrong outside of our own statements (a server that is away, frozen, full or too busy) leaves
here as DatabaseUnavailable, within a bounded time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import asyncpg

from ml_service.domain.errors import DatabaseUnavailable

Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
"""A connection inside a transaction of the database. Functions that get one never commit."""

UNAVAILABLE: tuple[type[BaseException], ...] = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,  # too many connections, disk full, out of memory
    asyncpg.OperatorInterventionError,  # shutdown, crash, a cancelled or timed-out statement
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.InternalClientError,
    asyncpg.InvalidCatalogNameError,  # the database has not been made yet
    asyncpg.InvalidAuthorizationSpecificationError,
)
"""What asyncpg raises when the server, not the statement, is at fault."""


def is_unavailable(error: BaseException, connection: Any) -> bool:
    """Whether the server is at fault. An InterfaceError is our bug, unless the connection is lost, or the pool closed.

    A session that is used after its block says "released back to the pool", as a lost connection does, which the pool
    takes back by itself: so it is the block's own connection that tells.

    Args:
        connection: Of the block that ends by this error; None: it has got none.
    """
    if not isinstance(error, asyncpg.InterfaceError):
        return isinstance(error, UNAVAILABLE)
    if connection is None:
        return "closed" in str(error) or "closing" in str(error)
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


INDEXES_ONLY = {"enable_seqscan": "off", "enable_hashjoin": "off", "enable_mergejoin": "off"}
"""Every statement of ours finds its rows by an index, for a few ids at a time. In a young database the planner does not
know yet how the tables will grow, would read them from end to end, and would keep that plan in its prepared statements
until somebody analyses the tables. `ledger.audit`, which does read everything, takes this back for itself."""

IDLE_S = 60.0
"""A connection that was not needed for so long is closed: on the server's side each takes some 4 MiB. The one that was
given back last is taken first, so a few remain, and a burst leaves none behind."""


KEPT_ALIVE = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "11s",
}
"""After so many seconds without a word the server asks for a sign of life, and again, so many times. What it has said
must be acknowledged within the last one. On a socket of its own machine none of it counts."""


async def _keep_state(_connection: asyncpg.Connection[Any]) -> None:
    """Do nothing on release: no session state is ever set, so a round trip to reset it would be wasted."""


def _drop(connection: Any) -> None:
    """Cut a connection without a word: a frozen server would answer neither a rollback nor a cancel request."""
    if connection is not None:
        with suppress(asyncpg.InterfaceError):  # it was lost: asyncpg has taken it back into the pool by itself
            connection.terminate()


class Database:
    """A pool of connections with deadlines.

    Args (of `connect`):
        url: ``postgresql://role:password@host:port/name`` or ``postgresql://role@/name?host=/socket/folder``.
        connections_max: Size of the pool.
        timeout_s: Longest time that one `begin()` or `autocommit()` block may take, waiting for a connection included.
        durable: False: a commit does not wait for the disk, and a crash of the server may undo the last half second
            (never a later commit without an earlier one). Right for what only says how far something has come, such as
            a claim or a mark in the outbox: if it is forgotten, it is done again, the refund of a prediction that
            ended at its claim included. Never for answers, nor for anything shown to a user.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], timeout_s: float) -> None:
        self._pool = pool
        self._timeout_s = timeout_s

    @property
    def timeout_s(self) -> float:
        """The longest time that a block may take; waiting for other blocks should not take longer either."""
        return self._timeout_s

    @classmethod
    async def connect(
        cls, url: str, *, name: str, connections_max: int = 10, timeout_s: float = 4.5, durable: bool = True
    ) -> Database:
        """Make the pool. No connection is opened yet, so this succeeds while the server is away."""
        pool = asyncpg.create_pool(
            url,
            min_size=0,
            max_size=connections_max,
            max_inactive_connection_lifetime=IDLE_S,
            command_timeout=timeout_s,
            timeout=timeout_s,
            reset=_keep_state,
            server_settings={
                "application_name": name,
                "lock_timeout": f"{int(timeout_s * 1000 * 0.8)}ms",
                "statement_timeout": f"{int(timeout_s * 1000)}ms",
                "idle_in_transaction_session_timeout": "30s",
                "synchronous_commit": "on" if durable else "off",
                "timezone": "UTC",
                "jit": "off",
                "plan_cache_mode": "force_generic_plan",  # one plan for each statement, for all are by index
                **INDEXES_ONLY,
            },
        )
        await pool
        return cls(pool, timeout_s)

    @asynccontextmanager
    async def begin(self, timeout_s: float | None = None) -> AsyncIterator[Session]:
        """A session in a transaction that commits when the block ends and rolls back when it raises.

        Raises:
            DatabaseUnavailable: The server is away or does not answer in time. Where that happens at the commit,
                it may have been carried out all the same: a repeated request needs its Idempotency-Key.
        """
        async with self.autocommit(timeout_s) as connection:
            await connection.execute("BEGIN")
            try:
                yield connection
            except Exception as error:
                # A server that is away cannot roll back; the connection goes, and the transaction with it.
                if not is_unavailable(error, connection):
                    await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")

    @asynccontextmanager
    async def autocommit(self, timeout_s: float | None = None) -> AsyncIterator[Session]:
        """A session whose every statement commits by itself: for reads, and for work that is one statement.

        Raises:
            DatabaseUnavailable: As `begin`.
        """
        connection: Any = None
        try:
            async with asyncio.timeout(timeout_s or self._timeout_s):
                connection = await self._pool.acquire()
                yield connection
        except Exception as error:
            if not is_unavailable(error, connection):
                if isinstance(error, asyncpg.InterfaceError):
                    _drop(connection)  # nobody knows what state it is in
                raise
            _drop(connection)
            raise DatabaseUnavailable("The database does not answer at the moment.", retry_after_s=2.0) from error
        except asyncio.CancelledError:
            _drop(connection)  # in the middle of a statement, perhaps of a transaction
            raise
        finally:
            if connection is not None:
                with suppress(*UNAVAILABLE, asyncpg.InterfaceError):
                    await self._pool.release(connection, timeout=1.0)

    @asynccontextmanager
    async def own_connection(self, url: str, name: str, *, is_kept_alive: bool = False) -> AsyncIterator[Session]:
        """A connection outside of the pool, for session advisory locks: the lock lives as long as the connection.

        Args:
            is_kept_alive: The server notices within some seconds that a whole host has gone, which says no goodbye;
                without being asked it would hold the lock for two hours.
        """
        try:
            connection = await asyncpg.connect(
                url,
                timeout=self._timeout_s,
                command_timeout=self._timeout_s,
                server_settings={"application_name": name},
            )
        except UNAVAILABLE as error:
            raise DatabaseUnavailable("The database does not answer at the moment.") from error
        try:
            if is_kept_alive:  # not at the connection's start, for a pooler takes few settings there
                await connection.execute(
                    "SELECT set_config(s.name, s.value, false) FROM unnest($1::text[], $2::text[]) AS s (name, value)",
                    list(KEPT_ALIVE),
                    list(KEPT_ALIVE.values()),
                )
            yield connection
        finally:
            connection.terminate()

    async def close(self) -> None:
        """Close all connections; those still in use after 5 s are cut."""
        try:
            async with asyncio.timeout(5):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()
