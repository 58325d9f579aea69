"""How many predictions of everybody are unfinished, as it was at most some seconds ago."""

from __future__ import annotations

import asyncio
import time

from ml_service.storage import predictions
from ml_service.storage.database import Database
from ml_service.usecases.admission import Admission

LOOK_S = 1.0
REST = 20
"""After a look that took t seconds, rest at least REST × t: counting a long backlog never costs more than 5 %."""
COUNT_MAX = 1_000_000


class Backlog:
    """Counts for `Admission` when somebody asks and the last count is old; a person's message costs no count itself."""

    def __init__(self, database: Database, admission: Admission) -> None:
        self._database = database
        self._admission = admission
        self._open = 0
        self._look_again_at = 0.0
        self._looking = asyncio.Lock()

    async def open(self) -> int:
        """Unfinished predictions, counted up to a million; raises DatabaseUnavailable."""
        async with self._looking:
            began = time.monotonic()
            if began >= self._look_again_at:
                accepted_before = self._admission.accepted_since
                async with self._database.autocommit() as session:
                    self._open = await predictions.count_open(session, COUNT_MAX)
                self._admission.counted(self._open, accepted_before)
                ended = time.monotonic()
                self._look_again_at = ended + max(LOOK_S, REST * (ended - began))
            return self._open + self._admission.accepted_since
