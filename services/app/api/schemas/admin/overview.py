"""The state of the service, as admins see it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from ml_service.storage.service_load import Step
from ml_service.storage.workers import Worker as DomainWorker
from ml_service.usecases.operations import Now as DomainNow


def rounded(value: float | None, digits: int = 1) -> float | None:
    """A figure as it is shown."""
    return None if value is None else round(value, digits)


class Now(BaseModel):
    """The service at this moment; at most some seconds old."""

    queued: int = Field(description="Predictions that no worker has taken, counted up to 200,000 unfinished ones.")
    processing: int = Field(description="Predictions that workers have.")
    oldest_wait_s: float | None = Field(description="How long the oldest queued one has waited.")
    workers: int = Field(description="Live workers.")
    per_minute: float = Field(description="Predictions that ended in the last minute, but for canceled ones.")
    failed_per_minute: float = Field(
        description="Those of them that failed or expired; an estimate where more than 2,000 ended without an answer."
    )
    p50_ms: float | None = Field(description="From the request to the answer, of the newest single requests.")
    p95_ms: float | None
    p99_ms: float | None


class SeriesStep(BaseModel):
    """What was accepted in one step, and what has become of it so far."""

    at: datetime = Field(description="When the step began.")
    accepted: int = Field(
        description="An estimate, as is the rest of the step, where it has more than its share of 180,000."
    )
    succeeded: int
    failed: int = Field(description="Failed or expired.")
    canceled: int
    credits: int = Field(description="What the succeeded ones cost.")
    p50_ms: float | None = Field(description="From the request to the answer, of single requests that were read.")
    p95_ms: float | None
    p99_ms: float | None


class Trouble(BaseModel):
    """Something that a person has to look at."""

    code: str = Field(description="Such as `model_not_served`; docs/operations.md has all.", examples=["long_wait"])
    since: datetime | None
    model: str | None
    count: int | None = Field(description="Of predictions that wait, of workers that cannot load it, of dead letters.")


class Stats(BaseModel):
    """The service now and in the last minutes."""

    now: Now
    series: list[SeriesStep] = Field(description="At most 61 steps, the earliest first; the last one is going on.")
    problems: list[Trouble]

    @classmethod
    def of(cls, now: DomainNow, steps: Sequence[Step]) -> Stats:
        """Show them."""
        pace = now.pace
        return cls(
            now=Now(
                queued=now.queued,
                processing=now.processing,
                oldest_wait_s=rounded(now.oldest_wait_s),
                workers=now.workers_alive,
                per_minute=round(pace.per_minute, 1),
                failed_per_minute=round(pace.failed_per_minute, 1),
                p50_ms=rounded(pace.p50_ms),
                p95_ms=rounded(pace.p95_ms),
                p99_ms=rounded(pace.p99_ms),
            ),
            series=[
                SeriesStep(
                    at=one.at,
                    accepted=one.accepted,
                    succeeded=one.succeeded,
                    failed=one.failed,
                    canceled=one.canceled,
                    credits=one.credits,
                    p50_ms=rounded(one.p50_ms),
                    p95_ms=rounded(one.p95_ms),
                    p99_ms=rounded(one.p99_ms),
                )
                for one in steps
            ],
            problems=[
                Trouble(code=one.code, since=one.since, model=one.model, count=one.count) for one in now.troubles
            ],
        )


class WorkerModel(BaseModel):
    """What one model of one worker does."""

    model: str
    version: str | None = Field(description="Null until it was loaded once.")
    state: str = Field(description="`loading`, `ready`, `sleeping`, `failed` or `stopped`.")
    reason: str | None = Field(description="Why it failed, and what to do.")
    pool: str | None = Field(description="Whose workers serve it; null while that is not known.")


class Worker(BaseModel):
    """A worker that has not stopped."""

    id: str
    host: str
    seen_at: datetime = Field(description="Its last heartbeat.")
    is_alive: bool = Field(description="Whether its lease runs; otherwise others may take its work.")
    models: list[WorkerModel]

    @classmethod
    def of(cls, worker: DomainWorker) -> Worker:
        """Show a worker."""
        return cls(
            id=worker.id,
            host=worker.host,
            seen_at=worker.heartbeat_at,
            is_alive=worker.is_alive,
            models=[
                WorkerModel(
                    model=name, version=one.version, state=one.state, reason=one.reason or None, pool=one.pool or None
                )
                for name, one in sorted(worker.model_states.items())
            ],
        )


class Workers(BaseModel):
    """All workers, the oldest first."""

    items: list[Worker]
    next_cursor: None = None


class QueuedModel(BaseModel):
    """What waits for one version of a model."""

    model: str
    version: str
    queued: int
    processing: int
    oldest_wait_s: float | None
    workers: int = Field(description="Live workers that serve it.")


class QueuedUser(BaseModel):
    """What waits of one user."""

    user_id: UUID
    username: str
    queued: int
    processing: int


class QueueState(BaseModel):
    """What waits."""

    queued: int
    processing: int
    oldest_wait_s: float | None
    outbox: int = Field(description="Predictions that the queue has not confirmed yet, counted up to a million.")
    dead_letters: int | None = Field(description="Null: the queue does not answer.")
    by_model: list[QueuedModel] = Field(description="The longest queue first.")
    by_user: list[QueuedUser] = Field(description="The five users with most queued predictions, of 200,000 at most.")

    @classmethod
    def of(cls, now: DomainNow) -> QueueState:
        """Show it."""
        return cls(
            queued=now.queued,
            processing=now.processing,
            oldest_wait_s=rounded(now.oldest_wait_s),
            outbox=now.outbox,
            dead_letters=now.dead_letters,
            by_model=[
                QueuedModel(
                    model=one.model,
                    version=one.version,
                    queued=one.queued,
                    processing=one.processing,
                    oldest_wait_s=rounded(one.oldest_wait_s),
                    workers=now.serving.get(f"{one.model}@{one.version}", 0),
                )
                for one in now.waiting
            ],
            by_user=[
                QueuedUser(user_id=one.user_id, username=one.username, queued=one.queued, processing=one.processing)
                for one in now.users
            ],
        )
