"""Everything that a request may need, made once for each process by `wiring.py`."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from ml_service.messaging.queue import Queue
from ml_service.settings import Settings
from ml_service.storage.database import Database
from ml_service.usecases.intake import Intake
from ml_service.usecases.maintenance import Maintenance
from ml_service.usecases.models import Catalog
from ml_service.usecases.predictions import Predictor
from ml_service.usecases.publisher import Publisher
from ml_service.usecases.users import Passwords
from services.app.addresses import Network, client_of
from services.app.api.auth import AccessTokens
from services.app.live import LiveAnswers
from services.app.load import Load
from services.app.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of one app process."""

    settings: Settings
    database: Database
    queue: Queue
    catalog: Catalog
    publisher: Publisher
    intake: Intake
    predictor: Predictor
    maintenance: Maintenance
    live: LiveAnswers
    load: Load
    metrics: Metrics
    passwords: Passwords
    access: AccessTokens
    trusted_proxies: tuple[Network, ...]
    metrics_networks: tuple[Network, ...]

    def address_of(self, request: Request) -> str:
        """The address that limits count this request by."""
        return client_of(request.scope, self.trusted_proxies)


def parts_of(request: Request) -> Parts:
    """The parts of the process that serves this request. A plain function: a dependency would cost each request."""
    parts: Parts = request.app.state.parts
    return parts
