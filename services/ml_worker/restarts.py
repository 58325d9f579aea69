"""Restarts of single models, which operators ask of a worker."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from typing import NoReturn

import msgspec
import structlog

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.storage import model_restarts
from ml_service.storage.database import Database

log = structlog.get_logger()


class Restarts:
    """Hears which models this worker is to load again, and has it do so, one after the other.

    Args:
        restart: Loads the model of a name again, or for the first time; what it raises is logged.
        interval_s: Seconds between two looks at what was asked of all workers.
    """

    def __init__(
        self, worker_id: str, database: Database, restart: Callable[[str], Awaitable[None]], *, interval_s: float
    ) -> None:
        self._worker_id = worker_id
        self._database = database
        self._restart = restart
        self._interval_s = interval_s
        self._told: list[str] = []
        self._news = asyncio.Event()
        self._done: dict[str, datetime] | None = None

    def hear(self, text: str) -> None:
        """Take what was said on the channel; what is meant for others, or cannot be read, is left."""
        with suppress(msgspec.DecodeError):
            told = msgspec.json.decode(text, type=model_restarts.Told)
            if told.worker_id in (None, self._worker_id):
                self._told.append(told.name)
                self._news.set()

    async def watch(self) -> NoReturn:
        """Load models again as they are asked for. What was asked before this worker started has been done."""
        while True:
            self._news.clear()
            for name in await self._due():
                try:
                    await self._restart(name)
                except Exception:
                    log.exception("model_not_restarted", model=name)  # the next request must be heard
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval_s):
                    await self._news.wait()

    async def _due(self) -> list[str]:
        """The models to load again now, each once."""
        due: list[str] = []
        asked = await self._asked()
        if asked is not None:
            done = asked if self._done is None else self._done
            due = [name for name, at in asked.items() if done.get(name) != at]
            self._done = asked
        told, self._told = self._told, []
        return list(dict.fromkeys([*due, *told]))

    async def _asked(self) -> dict[str, datetime] | None:
        """When a restart of each model was last asked of all workers; None where that cannot be read now."""
        try:
            async with self._database.autocommit() as session:
                return await model_restarts.asked(session)
        except DatabaseUnavailable:
            return None
        except Exception:
            log.exception("restarts_not_read")
            return None
