"""The settings of the workers."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, Json, field_validator, model_validator

from ml_service.platform.pool_names import what_is_reserved
from ml_service.platform.settings.common import DefaultModelSettings


class WorkerSettings(DefaultModelSettings):
    """A worker's settings."""

    service: ClassVar[str] = "ml_worker"

    database_url: str = "postgresql://ml_service_worker@127.0.0.1/ml_service"
    worker_name: str | None = None
    alive_file: Path | None = None  # touched every few seconds while the worker is well
    models: str = ""  # names a worker serves, comma-separated; empty: the usual ones; with a +: besides those
    models_left_out: str = ""  # names that it does not serve all the same, if it has no WORKER_POOL: a pool has them
    worker_pool: str = Field("", pattern=r"^([a-z0-9][a-z0-9_-]{0,62})?$")  # of all its models; empty: as each declares
    models_folder: Path = Path("models")
    model_environments_folder: Path | None = None  # a folder with a Python environment for each model that has one
    model_load_timeout_s: float = Field(600.0, gt=0, le=86_400)  # where a model declares none, as the next two
    model_idle_s: float = Field(900.0, ge=0)  # a model asked nothing for so long gives its memory back; 0: never
    model_memory_bytes_max: int = Field(4 * 2**30, ge=32 * 2**20)  # private memory of a model's process
    model_output_bytes_max: int = Field(2**20, ge=2, le=32 * 2**20)  # JSON of one output
    model_retry_s_max: float = Field(3600.0, gt=0, le=86_400)  # since a prediction was accepted: later attempts
    model_environment: str = ""  # names of further variables that models may see, comma-separated
    model_variables: Json[dict[str, str]] = Field(default_factory=dict)  # what services/ml_worker/.env says besides
    worker_lease_s: float = Field(20.0, ge=2)
    worker_heartbeat_s: float = Field(4.0, gt=0)
    prefetch_batches: int = Field(4, ge=2)  # batches prefetched per worker; more would sit idle
    attempts_max: int = Field(5, ge=1)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(0, ge=0, le=65535)  # Prometheus' address of this worker; 0: none
    drain_timeout_s: float = Field(25.0, gt=0)

    @field_validator("worker_pool")
    @classmethod
    def _is_free(cls, pool: str) -> str:
        if problem := what_is_reserved(pool):
            raise ValueError(problem)
        return pool

    @model_validator(mode="after")
    def _a_lease_outlives_a_lost_beat(self) -> Self:
        if self.worker_lease_s <= 2 * self.worker_heartbeat_s:
            raise ValueError(
                f"WORKER_LEASE_S ({self.worker_lease_s:g}) must be more than twice WORKER_HEARTBEAT_S"
                f" ({self.worker_heartbeat_s:g}): a worker would count as gone between two beats"
            )
        return self
