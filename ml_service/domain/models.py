"""A model as the service sees it: what a worker announces and what the app prices and validates by."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

JsonObject = dict[str, Any]

DEFAULT_POOL = "default"


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a worker announces of a model it serves.

    Attributes:
        name: Lower case, what a request names.
        version: The model's own version; stored with each prediction.
        price_credits: What one prediction costs where an admin has set no other price; 0 or more.
        input_schema: JSON Schema (2020-12) of one input, of type object.
        output_schema: JSON Schema of one output, of type object.
        batch_size: How many inputs the model takes at once at the most.
        timeout_s: Seconds that one batch may take before its child process is killed.
        pool: The workers that share one task queue.
        examples: Inputs to try, shown in the documentation.
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


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model as the table ``models`` has it: the announced spec, the price in force, and whether it is live."""

    spec: ModelSpec
    price_credits: int
    is_live: bool
    workers: int
    announced_at: datetime
