"""A model as the service sees it: what a worker announces and what the app prices and validates by."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

JsonObject = dict[str, Any]

DEFAULT_POOL = "default"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a worker announces of a model it serves.

    Attributes:
        name: Lower case, what a request names.
        version: The model's own version, whose schemas never change; each prediction belongs to one.
        price_credits: What one prediction costs where an admin has set no other price; 0 or more.
        input_schema: JSON Schema (2020-12) of one input, of type object.
        output_schema: JSON Schema of one output, of type object.
        batch_size: The largest batch that the model takes.
        timeout_s: Seconds that one batch may take before its child process is killed.
        pool: The workers that share one task queue.
        examples: Inputs to try, shown in the documentation.
        descriptions: The description in other languages, by their codes, where the model gives any.
    """

    name: str
    version: str
    description: str
    price_credits: int
    input_schema: JsonObject
    output_schema: JsonObject
    batch_size: int = 32
    timeout_s: float = 30.0
    pool: str = DEFAULT_POOL
    examples: tuple[JsonObject, ...] = field(default=())
    descriptions: dict[str, str] = field(default_factory=dict)

    @property
    def full_name(self) -> str:
        """The model at its version: what `full_name` gives."""
        return full_name(self.name, self.version)

    def description_in(self, language: str) -> str:
        """The description in a language, else the usual one."""
        return self.descriptions.get(language, self.description)

    @property
    def view(self) -> str | None:
        """How a page may show an output, by the output schema's ``x-view``; None where it does not say."""
        view = self.output_schema.get("x-view")
        return view if isinstance(view, str) else None


@dataclass(frozen=True, slots=True)
class ModelState:
    """What one model of one worker does.

    Attributes:
        state: ``sleeping`` while it has no process until it is asked; ``loading`` also while its process is being
            started again; ``failed`` while it cannot be loaded.
        version: None until it was loaded once.
        reason: Why it failed and what to do, one sentence; empty otherwise.
        pool: What it belongs to; empty while that is not known.
    """

    state: Literal["loading", "ready", "sleeping", "failed", "stopped"]
    version: str | None = None
    reason: str = ""
    pool: str = ""


class Serving(StrEnum):
    """Whether requests for a version of a model are answered at the moment."""

    LIVE = "live"
    """A live worker serves it."""
    SLEEPING = "sleeping"
    """A live worker serves it, and loads it for the next request."""
    LOADING = "loading"
    """A live worker is about to."""
    BROKEN = "broken"
    """Live workers have it and cannot load it."""
    GONE = "gone"
    """No live worker has it."""
    DISABLED = "disabled"
    """An admin has switched the model off."""


@dataclass(frozen=True, slots=True)
class AnswerTimes:
    """How long the last answers of a model took, from the request to the end, in milliseconds; ``samples`` of them.

    Attributes:
        predict_ms: The median of what their batches spent in the model.
    """

    median_ms: float
    p95_ms: float
    samples: int
    predict_ms: float


@dataclass(frozen=True, slots=True)
class FailedModel:
    """A model that some live workers cannot load.

    Attributes:
        reason: What the first of them says.
        workers: Their ids.
    """

    name: str
    reason: str
    workers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A version of a model as the tables have it: the announced spec, the price in force, and whether it is live.

    Attributes:
        is_enabled: False: an admin has switched the model off, with all its versions.
    """

    spec: ModelSpec
    price_credits: int
    is_live: bool
    workers: int
    announced_at: datetime
    is_default: bool = True
    is_enabled: bool = True


def full_name(name: str, version: str) -> str:
    """A model at a version, as requests, workers and logs name it."""
    return f"{name}@{version}"
