"""Counts what API keys without a cap have spent, so that little is left to count when somebody wants to know."""

from __future__ import annotations

import asyncio

from ml_service.storage import api_keys
from ml_service.storage.database import Database

USED_WITHIN_S = 180.0
"""Keys that were used in the last seconds are counted, once a minute; their use is noted once a minute, too."""
ROWS_MAX = 5_000
"""Rows of a user's ledger that one statement reads, some milliseconds: the user's requests wait meanwhile."""
PAUSE_S = 0.02
"""Between two of them others get their turn."""


class KeyCounter:
    """Counts what keys hold later; see `ml_service/storage/api_keys.py`."""

    def __init__(self, database: Database, *, rows_max: int = ROWS_MAX, pause_s: float = PAUSE_S) -> None:
        self._database = database
        self._rows_max = rows_max
        self._pause_s = pause_s

    async def count(self) -> None:
        """Count all keys that were used lately, user by user."""
        async with self._database.autocommit() as session:
            users = await api_keys.users_to_count(session, USED_WITHIN_S)
        for user_id in users:
            has_more = True
            while has_more:
                async with self._database.autocommit() as session:
                    has_more = await api_keys.count(session, user_id, self._rows_max)
                await asyncio.sleep(self._pause_s)
