"""The real app over a real database."""

from __future__ import annotations

import resource
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog

from ml_service.platform.settings.app import AppSettings
from ml_service.storage.database import Database
from ml_service.usecases import passwords
from services.app.wiring import create_app
from tests.support.app_process import Process, started
from tests.support.play import announce_served
from tests.support.service import DEAR, ECHO, Person, Service, StartService


@pytest.fixture(scope="session", autouse=True)
def _plain_logs() -> None:
    """Structlog's own way to show an exception takes seconds."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.KeyValueRenderer()])


@pytest.fixture
def quick_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a hash take no time: each app makes two when it starts, and each person two more."""
    monkeypatch.setattr(passwords, "MEMORY_KIB", 8)


@pytest.fixture
def start_service(database: Database, database_url: str, quick_passwords: None) -> StartService:  # noqa: ARG001
    """Start the app with settings of one's own."""

    @asynccontextmanager
    async def start(**settings: Any) -> AsyncIterator[Service]:
        async with database.autocommit() as session:
            await announce_served(session, ECHO, DEAR)
        options: dict[str, Any] = {
            "database_url": database_url.replace("postgres@", "ml_service_app@"),
            "jwt_secret": "7f1c0d93e5b24a68a1d4c3f05e9b8726",
            "default_model": "echo",
            "queue_backend": "postgres",
            "database_timeout_s": 15,
            **settings,
        }
        app = create_app(AppSettings(**options))
        async with app.router.lifespan_context(app):
            transport = httpx2.ASGITransport(app, client=("192.0.2.7", 4711))
            async with httpx2.AsyncClient(transport=transport, base_url="http://app", timeout=30) as client:
                yield Service(app, client, database, database_url)

    return start


@pytest.fixture
async def service(start_service: StartService) -> AsyncIterator[Service]:
    """The app with the settings of every day."""
    async with start_service() as service:
        yield service


@pytest.fixture
async def anna(service: Service) -> Person:
    return await service.join("anna")


@pytest.fixture
async def boss(service: Service) -> Person:
    """An admin."""
    person = await service.join("boss")
    async with service.database.autocommit() as session:
        await session.execute("UPDATE users SET is_admin = true WHERE username = 'boss'")
    return person


@pytest.fixture
def running(database_url: str) -> Iterator[Process]:
    """The app as a process of its own."""
    folder = Path(tempfile.mkdtemp(prefix="app-"))  # short: it holds a unix socket
    with started(database_url, folder, ECHO) as process:
        yield process
    shutil.rmtree(folder)


@pytest.fixture
def running_with_few_files(database_url: str) -> Iterator[Process]:
    """The app as a process that may open 320 files at once."""
    folder = Path(tempfile.mkdtemp(prefix="app-"))
    with started(database_url, folder, ECHO) as process:
        resource.prlimit(process.process.pid, resource.RLIMIT_NOFILE, (320, 320))
        yield process
    shutil.rmtree(folder)
