"""What handlers depend on, made once for each process by `wiring.py`."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
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
from services.bot.health import BotHealth
from services.bot.metrics import BotMetrics
from services.bot.sender import Sender

ALBUMS_MAX = 1000


class Albums:
    """Pictures and files that were sent together come as one message each; only the first is answered."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[int, str], int] = OrderedDict()

    def is_first(self, chat_id: int, album: str | None, message_id: int) -> bool:
        """Whether this message is the first of its album, or of none."""
        if album is None:
            return True
        first = self._seen.setdefault((chat_id, album), message_id)
        while len(self._seen) > ALBUMS_MAX:
            self._seen.popitem(last=False)
        return first == message_id


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
    albums: Albums = field(default_factory=Albums)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    answered: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def bot_id(self) -> int:
        """The number before the colon of the token."""
        return self.sender.bot.id
