"""Everything that a request may need, made once for each process by `wiring.py`."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import Request

from ml_service.background.leader import Leader
from ml_service.background.relay import Relay
from ml_service.background.webhook_deliverer import WebhookDeliverer
from ml_service.messaging.queue import Queue
from ml_service.platform.settings.app import AppSettings
from ml_service.storage.database import Database
from ml_service.usecases.audits import Audits
from ml_service.usecases.bulk import Bulk
from ml_service.usecases.estimates import Estimates
from ml_service.usecases.group_commit import GroupCommit
from ml_service.usecases.model_times import ModelTimes
from ml_service.usecases.models import Catalog
from ml_service.usecases.operations import Operations
from ml_service.usecases.passwords import Passwords
from ml_service.usecases.submissions import Submitter
from ml_service.usecases.webhooks import WebhookLimits
from services.app.auth.access_tokens import AccessTokens
from services.app.auth.api_keys import ApiKeys
from services.app.http.addresses import Network, client_of
from services.app.http.metrics import AppMetrics
from services.app.in_flight import InFlight
from services.app.live_answers import LiveAnswers
from services.app.live_changes import LiveChanges
from services.app.load import LoadWatch


@dataclass(frozen=True, slots=True)
class AppComponents:
    """The parts of one app process."""

    settings: AppSettings
    database: Database
    queue: Queue
    catalog: Catalog
    model_times: ModelTimes
    estimates: Estimates
    operations: Operations
    audits: Audits
    relay: Relay
    commits: GroupCommit
    submitter: Submitter
    bulk: Bulk
    leader: Leader
    live_answers: LiveAnswers
    live_changes: LiveChanges
    answers_in_flight: InFlight
    streams_in_flight: InFlight
    uploads_in_flight: InFlight
    load: LoadWatch
    webhooks: WebhookDeliverer
    webhook_limits: WebhookLimits
    metrics: AppMetrics
    passwords: Passwords
    access: AccessTokens
    keys: ApiKeys
    trusted_proxies: tuple[Network, ...]
    metrics_networks: tuple[Network, ...]

    def address_of(self, request: Request) -> str:
        """The address that limits count this request by."""
        return client_of(request.scope, self.trusted_proxies)


def components_of(request: Request) -> AppComponents:
    """The parts of the process that serves this request. A plain function: a dependency would cost each request."""
    components: AppComponents = request.app.state.components
    return components
