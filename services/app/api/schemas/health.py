"""Health as the API shows it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

HealthStatus = Literal["ok", "unavailable"]


class DatabaseHealth(BaseModel):
    """Whether PostgreSQL answers."""

    status: HealthStatus


class QueueHealth(BaseModel):
    """Whether the queue answers, and how much waits in it."""

    status: HealthStatus
    backend: Literal["rabbitmq", "postgres"]
    ready: int | None = Field(description="Task messages that wait for a worker; null where the queue does not answer.")


class WorkersHealth(BaseModel):
    """Who works."""

    status: HealthStatus = Field(description="`ok` where a worker is ready with the default model.")
    ready: int | None = Field(description="How many workers are ready; null where the database does not answer.")
    ids: list[str]
    models_failed: dict[str, str] = Field(
        description="Models that live workers cannot load, each with the reason; `degraded` while there are any."
    )


class Health(BaseModel):
    """`ok`: all parts answer. `degraded`: requests are taken, but answers may wait. `unavailable`: nothing is taken."""

    status: Literal["ok", "degraded", "unavailable"]
    mode: Literal["demo", "production"]
    database: DatabaseHealth
    queue: QueueHealth
    workers: WorkersHealth
    open_predictions: int | None
    problems: list[str] = Field(
        description="Why answers may wait, in sentences: of the default model, and of each other model whose default "
        "version no worker has; `degraded` while there are any."
    )


class Alive(BaseModel):
    """A plain yes."""

    status: Literal["ok"] = "ok"
