"""Erasure: finishes the deletion of accounts, including answers that arrived late."""

from __future__ import annotations

from ml_service.storage import deleted_accounts
from ml_service.storage.database import Database
from ml_service.usecases import account


class Erasure:
    """Cancels and erases what is left of deleted accounts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self) -> None:
        """Do all of it once."""
        async with self._database.autocommit() as session:
            pending = await deleted_accounts.pending(session)
        for user_id in pending:
            await account.erase(self._database, user_id)
