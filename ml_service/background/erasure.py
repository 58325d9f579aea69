"""Erasure: finishes the deletion of accounts, including answers that arrived late."""

from __future__ import annotations

import structlog

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.storage import deleted_accounts
from ml_service.storage.database import Database
from ml_service.usecases import account

log = structlog.get_logger()

SECONDS_MAX = 30.0
"""For one account in one run: a history of millions of predictions must not keep the accounts after it waiting."""


class Erasure:
    """Cancels and erases what is left of deleted accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Give each account a turn; what a turn leaves, or fails at, is for the next run."""
        async with self._database.autocommit() as session:
            pending = await deleted_accounts.pending(session)
        for user_id in pending:
            try:
                await account.erase(self._database, user_id, seconds=SECONDS_MAX)
            except DatabaseUnavailable as error:
                log.warning("erasure_postponed", user_id=str(user_id), error=error.message)
