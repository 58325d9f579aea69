"""How long the models' last answers took: one read of the database for all who ask within some seconds."""

from __future__ import annotations

from collections.abc import Mapping

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.domain.models import AnswerTimes
from ml_service.platform.cached import Cached
from ml_service.storage import prediction_stats
from ml_service.storage.database import Database

REFRESH_S = 5.0
TIMEOUT_S = 1.0
"""A list of models does not wait longer for what only decorates it."""
ROWS_READ = 2000
"""Of the newest predictions; reading them takes some milliseconds."""


class ModelTimes:
    """Keeps the figures of one process. A model without a recent answer keeps its last ones."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._times: dict[str, AnswerTimes] = {}
        self._cached = Cached(self._look, REFRESH_S)

    async def by_model(self) -> Mapping[str, AnswerTimes]:
        """The times by model, at most `REFRESH_S` old; older where the database does not answer."""
        return await self._cached.get()

    def forget(self) -> None:
        """Look again when they are next asked for."""
        self._cached.forget()

    async def _look(self) -> Mapping[str, AnswerTimes]:
        try:
            async with self._database.autocommit(TIMEOUT_S) as session:
                self._times |= await prediction_stats.answer_times(session, ROWS_READ)
        except DatabaseUnavailable:
            pass  # asked again after the same pause
        return self._times
