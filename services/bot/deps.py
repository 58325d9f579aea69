"""What handlers depend on, made once for each process by `wiring.py`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from ml_service.background.relay import Relay
from ml_service.messaging.queue import Queue
from ml_service.platform.settings.bot import BotSettings
from ml_service.storage.database import Database
from ml_service.usecases.admission import Admission
from ml_service.usecases.bulk import Bulk
from ml_service.usecases.group_commit import GroupCommit
from ml_service.usecases.models import Catalog
from ml_service.usecases.submissions import Submitter
from services.bot.backlog import Backlog
from services.bot.batch_reports import BatchReports
from services.bot.health import BotHealth
from services.bot.metrics import BotMetrics
from services.bot.sender import Sender


@dataclass(frozen=True, slots=True)
class Deps:
    """The dependencies of one bot process.

    Attributes:
        arrived: Set when updates may be waiting.
        answered: Set when answers may be due.
    """

    settings: BotSettings
    database: Database
    queue: Queue
    catalog: Catalog
    relay: Relay
    commits: GroupCommit
    admission: Admission
    submitter: Submitter
    bulk: Bulk
    sender: Sender
    health: BotHealth
    metrics: BotMetrics
    backlog: Backlog
    reports: BatchReports
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def bot_id(self) -> int:
        """The number before the colon of the token."""
        return self.sender.bot.id
