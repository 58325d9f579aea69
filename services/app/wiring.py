"""Makes the app of its parts, and starts and stops them in order."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from ml_service.domain.errors import DatabaseUnavailable
from ml_service.settings import SECRET_LENGTH_MIN, Settings
from ml_service.storage.database import Database
from ml_service.usecases import users
from ml_service.usecases.intake import Intake
from ml_service.usecases.maintenance import Maintenance, Rhythm
from ml_service.usecases.models import Catalog
from ml_service.usecases.predictions import Predictor
from ml_service.usecases.publisher import Publisher
from ml_service.usecases.users import Passwords
from ml_service.wiring import limits_of, open_database, open_queue
from services.app import addresses
from services.app.api import docs, events, health, ledger, models, predictions, problems, tokens
from services.app.api import users as users_api
from services.app.api.auth import AccessTokens
from services.app.live import LiveAnswers
from services.app.load import Load
from services.app.metrics import Metrics
from services.app.middleware import BodyGuard, Edge
from services.app.parts import Parts
from services.app.shortcut import Shortcut

log = structlog.get_logger()

NAME = "ml-service app"
VERSION = "0.1.0"
QUIET = ("/health", "/health/live", "/health/ready", "/metrics")
DRAIN_S = 8.0
START_S = 3.0
RELAXED_CONNECTIONS_MAX = 3
"""For the publisher's marks, which need not wait for the disk."""


class App(FastAPI):
    """FastAPI behind our own layers, which come before all of its: what they answer by themselves costs no more."""

    def __init__(self, settings: Settings, metrics: Metrics, **options: Any) -> None:
        super().__init__(**options)
        guarded = BodyGuard(
            Shortcut(super().__call__), bytes_max=settings.body_bytes_max, depth_max=settings.json_depth_max
        )
        self.edge = Edge(guarded, on_answered=metrics.answered, quiet=QUIET)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the app's beginning and end."""
        scope["app"] = self
        await self.edge(scope, receive, send)


def create_app(settings: Settings) -> App:
    """The app; its parts are made when it starts."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with _running(settings, metrics) as parts:
            app.state.parts = parts
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
    )
    problems.register(app)
    for router in (predictions, events, users_api, tokens, ledger, models, health):
        app.include_router(router.router)
    docs.register(app)
    return app


@asynccontextmanager
async def _running(settings: Settings, metrics: Metrics) -> AsyncIterator[Parts]:
    async with AsyncExitStack() as stack:
        database = await open_database(settings, stack, NAME, connections_max=settings.database_connections_max)
        parts = await _make(settings, metrics, database, stack)
        await _prepare_demo(parts, stack)
        for part in (parts.catalog, parts.live, parts.load, parts.maintenance):
            await part.start()
            stack.push_async_callback(part.close)
        stack.push_async_callback(_drain, parts)
        yield parts


async def _make(settings: Settings, metrics: Metrics, database: Database, stack: AsyncExitStack) -> Parts:
    queue = await open_queue(settings, stack, NAME)
    catalog = Catalog(database)
    relaxed = await open_database(settings, stack, NAME, connections_max=RELAXED_CONNECTIONS_MAX, durable=False)
    publisher = Publisher(relaxed, queue, catalog.batch_size)
    intake = Intake(database, publisher)
    return Parts(
        settings=settings,
        database=database,
        queue=queue,
        catalog=catalog,
        publisher=publisher,
        intake=intake,
        predictor=Predictor(database, catalog, intake, limits_of(settings)),
        maintenance=Maintenance(
            database, settings.database_url, queue, publisher, catalog.batch_size, _rhythm(settings)
        ),
        live=LiveAnswers(database, queue),
        load=Load(
            database,
            queue,
            open_max=settings.queued_predictions_max,
            pools=lambda: {listed.spec.pool for listed in catalog.all()},
        ),
        metrics=metrics,
        passwords=Passwords(),
        access=AccessTokens(database, _secret(settings), settings.access_token_lifetime_s),
        trusted_proxies=addresses.networks(settings.trusted_proxies),
        metrics_networks=addresses.networks(settings.metrics_networks),
    )


def _rhythm(settings: Settings) -> Rhythm:
    return Rhythm(
        feed_s=settings.feed_interval_s,
        resend_after_s=settings.resend_after_s,
        lost_after_s=settings.lost_after_s,
        keys_kept_s=settings.idempotency_retention_s,
    )


def _secret(settings: Settings) -> str:
    secret = settings.jwt_secret.get_secret_value()
    if len(secret) >= SECRET_LENGTH_MIN:
        return secret
    # Only in demo mode: the settings refuse this in production.
    log.warning("jwt_secret_generated", why="JWT_SECRET is not set: tokens end with this process")
    return secrets.token_hex(SECRET_LENGTH_MIN)


async def _prepare_demo(parts: Parts, stack: AsyncExitStack) -> None:
    """Make the demo user, or lock it out; goes on in the background where the database is away."""
    task = asyncio.create_task(_prepare_demo_until_done(parts))

    async def stop() -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    stack.push_async_callback(stop)
    with suppress(TimeoutError):
        async with asyncio.timeout(START_S):
            await asyncio.shield(task)


async def _prepare_demo_until_done(parts: Parts) -> None:
    settings = parts.settings
    while True:
        try:
            if settings.mode == "demo":
                await users.ensure_demo_user(
                    parts.database, parts.passwords, starting_credits=settings.starting_credits
                )
                log.warning("demo_mode", why="the user test with password test exists; MODE=production has none")
            else:
                async with parts.database.begin() as session:
                    await users.lock_out_demo_users(session)
        except DatabaseUnavailable as error:
            log.warning("database_away", error=error.message)
            await asyncio.sleep(1.0)
        else:
            return


async def _drain(parts: Parts) -> None:
    """Finish what was accepted: commit, then tell the queue. What it cannot be told, the sweep tells it later."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_S):
            await parts.intake.drain()
            await parts.publisher.drain()
