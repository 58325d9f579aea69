"""What a worker grants each of its models."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from ml_service.platform.settings.ml_worker import WorkerSettings


@dataclass(frozen=True, slots=True)
class ModelLimits:
    """The worker's own limits; what a model declares for itself counts more.

    Attributes:
        load_timeout_s: A model that is not loaded by then is killed and tried again.
        memory_bytes_max: Private memory of a model's process.
        output_bytes_max: JSON of one output.
        isolation_s_min: Time to find the inputs that end a model's process, however fast the model is.
        isolation_s_max: The same, however slow. With the longest `timeout_s` it stays below the 30 minutes after
            which RabbitMQ takes an unacknowledged delivery back.
        backoff_s_min: The first pause before a model that could not be loaded is tried again; it doubles.
        backoff_s_max: The longest pause.
        close_grace_s: What a process gets to end by itself.
        environment_names: Variables of the worker's that models see although the allow-list lacks them.
        environments: A folder with a Python environment, called like the model, for each model that has its own.
        idle_s: A model that was asked nothing for so long ends its process until the next batch; 0: never.
        pool: What its models belong to, whatever they declare; empty: what each declares.
    """

    load_timeout_s: float = 600.0
    memory_bytes_max: int = 4 * 2**30
    output_bytes_max: int = 2**20
    isolation_s_min: float = 60.0
    isolation_s_max: float = 900.0
    backoff_s_min: float = 0.5
    backoff_s_max: float = 30.0
    close_grace_s: float = 2.0
    environment_names: frozenset[str] = frozenset()
    environments: Path | None = None
    idle_s: float = 0.0
    pool: str = ""

    @classmethod
    def of(cls, settings: WorkerSettings) -> ModelLimits:
        """Read them from a worker's settings."""
        return cls(
            load_timeout_s=settings.model_load_timeout_s,
            memory_bytes_max=settings.model_memory_bytes_max,
            output_bytes_max=settings.model_output_bytes_max,
            environments=settings.model_environments_folder,
            idle_s=settings.model_idle_s,
            pool=settings.worker_pool,
            environment_names=frozenset(filter(None, map(str.strip, settings.model_environment.split(","))))
            | settings.model_variables.keys(),
        )

    def python_of(self, model: str) -> str:
        """The interpreter that runs a model: its own environment's, or the worker's."""
        # Resolved: its process keeps its packages when the link that is called like the model moves.
        own = (self.environments / model).resolve() / "bin" / "python" if self.environments else None
        return str(own) if own and os.access(own, os.X_OK) else sys.executable
