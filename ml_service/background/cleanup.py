"""Deletes expired rows: rate limit windows, sessions, workers, idempotency keys, webhooks' log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ml_service.storage import idempotency, rate_limits, sessions, webhook_deliveries, webhooks, workers
from ml_service.storage.database import Database, Session

ROWS_MAX = 10_000
"""What one statement deletes."""
DELIVERIES_DAYS = 14.0
REQUESTS_DAYS = 30.0
"""Longer than a prediction may be unfinished."""


class Cleanup:
    """Deletes what has ended.

    Args:
        keys_kept_s: Seconds that an Idempotency-Key is remembered.
    """

    def __init__(self, database: Database, *, keys_kept_s: float) -> None:
        self._database = database
        self._keys_kept_s = keys_kept_s

    async def clean(self) -> None:
        """Delete all of it once."""
        async with self._database.autocommit() as session:
            await rate_limits.delete_ended(session)
            await sessions.delete_ended(session)
            await workers.delete_stopped(session)
        await self._in_pieces(lambda session: idempotency.delete_old(session, self._keys_kept_s, ROWS_MAX))
        await self._in_pieces(lambda session: webhook_deliveries.end_off(session, ROWS_MAX))
        await self._in_pieces(lambda session: webhook_deliveries.purge(session, DELIVERIES_DAYS, ROWS_MAX))
        await self._in_pieces(lambda session: webhooks.purge_requests(session, REQUESTS_DAYS, ROWS_MAX))

    async def _in_pieces(self, delete: Callable[[Session], Awaitable[int]]) -> None:
        done = ROWS_MAX
        while done == ROWS_MAX:
            async with self._database.autocommit() as session:
                done = await delete(session)
