"""Makes the app of its components, and starts and stops them in order."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from ml_service.background.batch_feeder import BatchFeeder
from ml_service.background.bulk_feeder import BulkFeeder
from ml_service.background.cleanup import Cleanup
from ml_service.background.erasure import Erasure
from ml_service.background.key_counting import KeyCounter
from ml_service.background.leader import APP_DUTIES_LOCK, Duty, Leader
from ml_service.background.relay import Relay
from ml_service.background.retention import Retention
from ml_service.background.sweeper import Sweeper
from ml_service.background.usage_sums import UsageSums
from ml_service.background.version_watch import VersionWatch
from ml_service.background.webhook_deliverer import DeliveryLimits, WebhookDeliverer
from ml_service.domain.errors import DatabaseUnavailable
from ml_service.messaging.queue import Queue
from ml_service.platform.settings.app import AppSettings
from ml_service.platform.settings.common import SECRET_LENGTH_MIN
from ml_service.storage.database import Database
from ml_service.usecases import users
from ml_service.usecases.admission import Admission
from ml_service.usecases.audits import Audits
from ml_service.usecases.bulk import Bulk
from ml_service.usecases.estimates import Estimates
from ml_service.usecases.group_commit import GroupCommit
from ml_service.usecases.model_times import ModelTimes
from ml_service.usecases.models import Catalog
from ml_service.usecases.operations import Operations
from ml_service.usecases.passwords import Passwords, common_passwords
from ml_service.usecases.submissions import Submitter
from ml_service.usecases.webhooks import WebhookLimits
from ml_service.wiring import bulk_limits_of, limits_of, open_database, open_queue
from services.app.api import (
    account,
    api_keys,
    bulk,
    docs,
    events,
    health,
    ledger,
    models,
    page,
    prediction_json,
    predictions,
    problems,
    quotes,
    submissions,
    tokens,
    user_events,
    webhooks,
)
from services.app.api import service as service_api
from services.app.api import session as session_api
from services.app.api import users as users_api
from services.app.api.admin import routes as admin
from services.app.auth.access_tokens import AccessTokens
from services.app.auth.api_keys import ApiKeys
from services.app.components import AppComponents
from services.app.http import addresses
from services.app.http.body_guard import BodyGuard
from services.app.http.cross_origin import cross_origin, preflights
from services.app.http.edge import Edge, Head
from services.app.http.metrics import AppMetrics
from services.app.in_flight import InFlight
from services.app.live_answers import LiveAnswers
from services.app.live_changes import LiveChanges
from services.app.load import LoadWatch

if TYPE_CHECKING:
    from ml_service.background.webhook_sender import WebhookSender

log = structlog.get_logger()

NAME = "ml-service app"
VERSION = "0.1.0"
QUIET = ("/health", "/health/live", "/health/ready", "/metrics")
DRAIN_S = 8.0
START_S = 3.0
SWEEP_INTERVAL_S = 1.0
RESEND_INTERVAL_S = 0.2
"""How much later than asked, at most, what a model has postponed is sent."""
CLEANUP_INTERVAL_S = 60.0
RETENTION_INTERVAL_S = 600.0
ERASE_INTERVAL_S = 10.0
USAGE_INTERVAL_S = 20.0
KEYS_COUNTED_INTERVAL_S = 60.0
USAGE_CHECK_INTERVAL_S = 6 * 3600.0
RELAXED_CONNECTIONS_MAX = 3
"""For the relay's deletes, which need not wait for the disk."""


_RAW_ROUTES = {route.path: route for route in (*submissions.routes, *quotes.routes)}


class App(FastAPI):
    """FastAPI behind our own layers instead of its own, which do the same again and cost each request."""

    def __init__(self, settings: AppSettings, metrics: AppMetrics, **options: Any) -> None:
        super().__init__(**options)
        guarded = BodyGuard(
            self._inner,
            bytes_max=settings.body_bytes_max,
            depth_max=settings.json_depth_max,
            values_max=settings.json_values_max,
        )
        self.edge = Edge(
            preflights(Head(guarded), settings.origins),
            metrics.answered,
            quiet=QUIET,
            root_path=settings.root_path,
            trusted_proxies=addresses.networks(settings.trusted_proxies),
        )
        self._outermost = cross_origin(self.edge, settings.origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the app's beginning and end."""
        scope["app"] = self
        await self._outermost(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """Only what FastAPI's routes need: the Edge answers what was not foreseen, the BodyGuard bounds bodies."""
        handlers = {kind: handler for kind, handler in self.exception_handlers.items() if kind is not Exception}
        return ExceptionMiddleware(AsyncExitStackMiddleware(self.router), handlers=handlers)

    async def _inner(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (route := _RAW_ROUTES.get(scope.get("path", ""))) is not None:
            await route.handle(scope, receive, send)
            return
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        await self.middleware_stack(scope, receive, send)


def create_app(settings: AppSettings) -> App:
    """The app; its components are made when it starts."""
    metrics = AppMetrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _running(settings, metrics) as components:
            app.state.components = components
            yield

    app = App(
        settings,
        metrics,
        title="ML Service",
        version=VERSION,
        summary=docs.SUMMARY,
        description=docs.DESCRIPTION,
        openapi_tags=docs.TAGS,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
    )
    problems.register(app)
    app.router.routes += _RAW_ROUTES.values()
    for router in (
        predictions,
        events,
        user_events,
        users_api,
        account,
        api_keys,
        bulk,
        tokens,
        session_api,
        ledger,
        models,
        webhooks,
        service_api,
        health,
        admin,
    ):
        # As they are: FastAPI's include_router would make each of them again, at the first request that comes by it.
        app.router.routes += router.router.routes
    docs.register(app)
    app.router.routes += page.routes(page.FOLDER)
    app.router.default = page.unknown(page.FOLDER, app.router.default)
    return app


@asynccontextmanager
async def _running(settings: AppSettings, metrics: AppMetrics) -> AsyncIterator[AppComponents]:
    async with AsyncExitStack() as stack:
        # Loaded before the first request: it takes a quarter of a second.
        await asyncio.to_thread(common_passwords)
        database = await open_database(settings, stack, NAME, connections_max=settings.database_connections_max)
        components = await _make(settings, metrics, database, stack)
        await _prepare_demo(components, stack)
        for part in (
            components.catalog,
            components.live_answers,
            components.live_changes,
            components.load,
            components.leader,
            components.webhooks,
        ):
            await part.start()
            stack.push_async_callback(part.close)
        stack.push_async_callback(_drain, components)
        yield components


async def _make(settings: AppSettings, metrics: AppMetrics, database: Database, stack: AsyncExitStack) -> AppComponents:
    queue = await open_queue(settings, stack, NAME)
    catalog = Catalog(database)
    relaxed = await open_database(settings, stack, NAME, connections_max=RELAXED_CONNECTIONS_MAX, durable=False)
    relay = Relay(relaxed, queue, catalog.batch_size)
    commits = GroupCommit(database, relay.send)
    live_changes = LiveChanges(database)
    times = ModelTimes(database)
    admission = Admission(settings.queued_predictions_max)
    return AppComponents(
        settings=settings,
        database=database,
        queue=queue,
        catalog=catalog,
        model_times=times,
        estimates=Estimates(database, catalog, times),
        operations=Operations(database, queue),
        audits=Audits(database),
        relay=relay,
        commits=commits,
        submitter=Submitter(database, catalog, commits, admission, limits_of(settings), settings.default_model),
        bulk=Bulk(database, catalog, bulk_limits_of(settings), settings.default_model),
        leader=_leader(settings, database, relaxed, queue, relay, catalog),
        live_answers=LiveAnswers(database, queue, metrics.waited, live_changes.tell),
        live_changes=live_changes,
        answers_in_flight=InFlight(
            "large answers",
            user_max=settings.bytes_in_flight_per_user_max,
            total_max=settings.bytes_in_flight_max,
        ),
        streams_in_flight=InFlight("streams", user_max=settings.streams_per_user_max, total_max=settings.streams_max),
        uploads_in_flight=InFlight("uploads", user_max=settings.uploads_per_user_max, total_max=settings.uploads_max),
        webhooks=_webhooks(settings, metrics, database),
        webhook_limits=WebhookLimits(
            settings.webhooks_per_user_max,
            settings.webhook_port_ranges,
            addresses.networks(settings.webhook_networks),
        ),
        load=LoadWatch(
            database,
            queue,
            admission=admission,
            pools=lambda: {listed.spec.pool for listed in catalog.all()},
        ),
        metrics=metrics,
        passwords=Passwords(),
        access=AccessTokens(database, _secret(settings), settings.access_token_lifetime_s),
        keys=ApiKeys(database, metrics.key_refused),
        trusted_proxies=addresses.networks(settings.trusted_proxies),
        metrics_networks=addresses.networks(settings.metrics_networks),
    )


def _webhooks(settings: AppSettings, metrics: AppMetrics, database: Database) -> WebhookDeliverer:
    limits = DeliveryLimits(
        timeout_s=settings.webhook_timeout_s,
        attempts_max=settings.webhook_attempts_max,
        failing_days_max=settings.webhook_failing_days_max,
    )

    def make_sender() -> WebhookSender:
        # Its HTTP client takes 8 MiB, and many services have no webhooks.
        from ml_service.background.webhook_sender import WebhookSender  # noqa: PLC0415

        return WebhookSender(addresses.networks(settings.webhook_networks))

    return WebhookDeliverer(database, make_sender, prediction_json.encode, limits, metrics.webhook_attempted)


def _leader(
    settings: AppSettings, database: Database, relaxed: Database, queue: Queue, relay: Relay, catalog: Catalog
) -> Leader:
    batch_feeder = BatchFeeder(database, queue, relay, catalog.batch_size)
    bulk_feeder = BulkFeeder(database, relaxed, gone_s=settings.version_gone_s, encode=bulk.encode)
    sweeper = Sweeper(
        database, queue, relay, resend_after_s=settings.resend_after_s, lost_after_s=settings.lost_after_s
    )
    retention = Retention(database, days=settings.retention_days, text_days=settings.text_retention_days)
    versions = VersionWatch(database, queue, gone_s=settings.version_gone_s)
    cleanup = Cleanup(database, keys_kept_s=settings.idempotency_retention_s)
    return Leader(
        database,
        settings.database_url,
        lock_key=APP_DUTIES_LOCK,
        duties=[
            Duty("feed", batch_feeder.feed, settings.feed_interval_s),
            Duty("feed_bulk", bulk_feeder.feed, settings.feed_interval_s),
            Duty("sweep_bulk", bulk_feeder.sweep, SWEEP_INTERVAL_S),
            Duty("sweep", sweeper.sweep, SWEEP_INTERVAL_S),
            Duty("resend", sweeper.resend_due, RESEND_INTERVAL_S),
            Duty("versions", versions.look, SWEEP_INTERVAL_S),
            Duty("clean", cleanup.clean, CLEANUP_INTERVAL_S),
            Duty("retain", retention.retain, RETENTION_INTERVAL_S),
            Duty("erase", Erasure(database).run, ERASE_INTERVAL_S),
            Duty("count_keys", KeyCounter(relaxed).count, KEYS_COUNTED_INTERVAL_S),
            *UsageSums(relaxed).duties(USAGE_INTERVAL_S, USAGE_CHECK_INTERVAL_S),
        ],
        on_elected=sweeper.forget,
    )


def _secret(settings: AppSettings) -> str:
    secret = settings.jwt_secret.get_secret_value()
    if len(secret) >= SECRET_LENGTH_MIN:
        return secret
    # Only in demo mode: the settings refuse this in production.
    log.warning("jwt_secret_generated", why="JWT_SECRET is not set: tokens end with this process")
    return secrets.token_hex(SECRET_LENGTH_MIN)


async def _prepare_demo(components: AppComponents, stack: AsyncExitStack) -> None:
    """Make the demo user, or lock it out; goes on in the background where the database is away."""
    task = asyncio.create_task(_prepare_demo_until_done(components))

    async def stop() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(stop)
    with suppress(TimeoutError):
        async with asyncio.timeout(START_S):
            await asyncio.shield(task)


async def _prepare_demo_until_done(components: AppComponents) -> None:
    settings = components.settings
    while True:
        try:
            if settings.mode == "demo":
                await users.ensure_demo_user(
                    components.database, components.passwords, starting_credits=settings.starting_credits
                )
                log.warning("demo_mode", why="the user test with password test exists; MODE=production has none")
            else:
                async with components.database.begin() as session:
                    await users.lock_out_demo_users(session)
        except DatabaseUnavailable as error:
            log.warning("database_away", error=error.message)
            await asyncio.sleep(1.0)
        else:
            return


async def _drain(components: AppComponents) -> None:
    """Finish what was accepted: commit, then tell the queue. What it cannot be told, the sweep tells it later."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            await components.commits.drain()
            await components.relay.drain()
