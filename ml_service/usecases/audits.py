"""The audit as the page shows it: computed once for all viewers, within a bounded time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from ml_service.platform.cached import Cached
from ml_service.storage.database import Database
from ml_service.storage.ledger import Books
from ml_service.usecases import ledger

LIFETIME_S = 60.0
AUDIT_S_MAX = 50.0
"""An audit reads every prediction and every transaction. Of many millions it takes longer; `ml-service audit` waits."""


@dataclass(frozen=True, slots=True)
class Audited:
    """The books at a moment."""

    books: Books
    checked_at: datetime


class Audits:
    """Audits for one process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._cached = Cached(self._audit, LIFETIME_S)

    async def latest(self) -> Audited:
        """The last audit, at most `LIFETIME_S` old.

        Raises:
            DatabaseUnavailable: The database is away, or the audit takes longer than `AUDIT_S_MAX`.
        """
        return await self._cached.get()

    async def _audit(self) -> Audited:
        async with self._database.begin(AUDIT_S_MAX) as session:
            await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            await session.execute("SET LOCAL statement_timeout = 0")
            await session.execute("SET LOCAL client_connection_check_interval = '1s'")  # no count goes on without us
            return Audited(await ledger.audit(session, timeout_s=AUDIT_S_MAX), datetime.now(UTC))
