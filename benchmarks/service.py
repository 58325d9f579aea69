"""The service as it is deployed: app processes on one socket, workers with their models, real settings."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.place import ROOT, SECRET, Place, Running, cpu_s, stopping

HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class RunningService:
    """Running processes, and the port of the apps (0: no apps)."""

    apps: tuple[Running, ...]
    workers: tuple[Running, ...]
    port: int

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds used so far by the apps, and by the workers with their models."""
        return {
            "app": cpu_s(*(app.pid for app in self.apps)),
            "worker": cpu_s(*(worker.pid for worker in self.workers)),
        }


def environment(place: Place, database: str, role: str, backend: str = "rabbitmq") -> dict[str, str]:
    """Settings of a process of the service: production mode."""
    return {
        "MODE": "production",
        "JWT_SECRET": SECRET,
        "DATABASE_URL": place.postgres.dsn(database, role),
        "QUEUE_BACKEND": backend,
        "AMQP_URL": place.amqp_url,
        "ACCESS_TOKEN_LIFETIME_S": "86400",
    }


@asynccontextmanager
async def service(
    place: Place,
    database: str,
    *,
    apps: int,
    workers: int = 2,
    models: str = "echo",
    backend: str = "rabbitmq",
    more: Mapping[str, str] | None = None,
) -> AsyncIterator[RunningService]:
    """Start the service, wait until everything is ready, stop it in order at the end."""
    serving = {
        "MODELS": models,
        "DEFAULT_MODEL": models.split(",", maxsplit=1)[0],
        "MODELS_FOLDER": str(ROOT / "benchmarks/models"),
    }
    serving |= more or {}
    with socket.create_server((HOST, 0), backlog=1024) as listening:
        port = listening.getsockname()[1]
        worker_env = environment(place, database, "ml_service_worker", backend) | serving
        app_env = environment(place, database, "ml_service_app", backend) | serving
        working = [place.spawn("worker", "services.ml_worker.worker", env=worker_env) for _ in range(workers)]
        asked = [
            place.spawn("app", "services.app.main", env=app_env, listen_fd=listening.fileno()) for _ in range(apps)
        ]
        async with stopping(*working, *asked):
            await asyncio.sleep(0.3)  # let models and processes settle
            yield RunningService(tuple(asked), tuple(working), port if apps else 0)
