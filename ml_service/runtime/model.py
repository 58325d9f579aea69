"""The one class that a model's author writes, and what is read from it.

This file is imported inside every model's child process, so it imports next to nothing.

Where a model lives decides its name: ``models/<name>/model.py`` for a user's own, ``bundled/<name>/model.py``
for one that comes with the service (a ``_`` in a folder's name stands for ``-``). ``model.py`` defines one
subclass of `Model`, no more; whatever it needs may lie beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

JsonObject = dict[str, Any]

DECLARATIONS = (
    "name",
    "version",
    "description",
    "price_credits",
    "input_schema",
    "output_schema",
    "examples",
    "batch_size",
    "batch_wait_ms",
    "timeout_s",
    "pool",
    "memory_bytes_max",
)


class PredictionFailure(Exception):
    """This input cannot be answered: its prediction fails with ``input_rejected``, its price is given back.

    Return it in the input's place in `Model.predict`, or raise it; the message is shown to the client.
    """


class Model:
    """A model: what it declares, how it is loaded, and how it predicts.

    Attributes:
        name: What a request names: lower case letters, digits and ``-``; the same as the folder's name.
        version: The model's own version; stored with each prediction.
        description: One paragraph for those who choose a model, shown by ``GET /models``.
        price_credits: What one prediction costs where an admin has set no other price; 0 or more.
        input_schema: JSON Schema (2020-12) of one input, ``"type": "object"``; only what fits is accepted.
        output_schema: JSON Schema of one output, ``"type": "object"``.
        examples: Inputs to try, each fits the schema; the documentation shows them.
        batch_size: How many inputs `predict` gets at once at the most; 1 to 1,024.
        batch_wait_ms: How long a busy worker waits for a batch to fill; 0 to 1,000.
        timeout_s: Seconds that one batch may take before the model's process is killed; up to 600.
        pool: The workers that share one task queue.
        memory_bytes_max: Private memory that the model's process may take; None for the worker's own limit.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    description: ClassVar[str]
    price_credits: ClassVar[int] = 1
    input_schema: ClassVar[JsonObject]
    output_schema: ClassVar[JsonObject]
    examples: ClassVar[Sequence[JsonObject]] = ()
    batch_size: ClassVar[int] = 32
    batch_wait_ms: ClassVar[float] = 0.0
    timeout_s: ClassVar[float] = 30.0
    pool: ClassVar[str] = "default"
    memory_bytes_max: ClassVar[int | None] = None

    def load(self) -> None:
        """Read weights and warm up: called once, in the model's own process, before the first `predict`."""

    def predict(self, inputs: list[JsonObject]) -> Sequence[JsonObject | Exception]:
        """Answer a batch.

        Args:
            inputs: 1 to ``batch_size`` inputs, each of which fits ``input_schema``.

        Returns:
            As many outputs, in the same order. Each is JSON (a dict without NaN), or a `PredictionFailure`
            for an input that has no answer, or another exception for one that the model failed on.

        Raises:
            Exception: Anything. The batch is then halved and tried again until the guilty inputs are found,
                so the method must answer the same input the same way each time.
        """
        raise NotImplementedError


def declarations_of(model_class: type[Model]) -> JsonObject:
    """Return what a class declares, unchecked; what it leaves out is missing."""
    declared = {name: getattr(model_class, name) for name in DECLARATIONS if hasattr(model_class, name)}
    if isinstance(declared.get("examples"), tuple):
        declared["examples"] = list(declared["examples"])
    return declared
