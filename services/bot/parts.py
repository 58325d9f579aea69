"""Everything that a handler may need, made once for each process by `service.py`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ml_service.messaging.queue import Queue
from ml_service.settings import Settings
from ml_service.storage.database import Database
from ml_service.usecases.intake import Intake
from ml_service.usecases.models import Catalog
from ml_service.usecases.predictions import Predictor
from ml_service.usecases.publisher import Publisher
from services.bot.health import Health
from services.bot.sender import Sender


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one bot process.

    Attributes:
        arrived: Set when updates may be waiting.
        answered: Set when answers may be due.
    """

    settings: Settings
    database: Database
    queue: Queue
    catalog: Catalog
    publisher: Publisher
    intake: Intake
    predictor: Predictor
    sender: Sender
    health: Health
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def bot_id(self) -> int:
        """The number before the colon of the token."""
        return self.sender.bot.id
