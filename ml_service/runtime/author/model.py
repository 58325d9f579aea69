"""The one class that a model's author writes, and what is read from it.

This file is imported inside every model's child process, so it imports next to nothing.

Where a model lives decides its name: ``models/<name>/model.py`` for a user's own, ``bundled/<name>/model.py``
for one that comes with the service (a ``_`` in a folder's name stands for ``-``). ``model.py`` defines one
subclass of `Model`, no more; whatever it needs may lie beside it.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Coroutine, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, SupportsFloat

JsonObject = dict[str, Any]

DECLARATIONS = (
    "name",
    "version",
    "description",
    "descriptions",
    "price_credits",
    "input_schema",
    "output_schema",
    "examples",
    "batch_size",
    "batch_wait_ms",
    "timeout_s",
    "pool",
    "load_timeout_s",
    "memory_bytes_max",
    "output_bytes_max",
)


class PredictionFailure(Exception):
    """This input cannot be answered: its prediction fails with ``input_rejected``, its price is given back.

    Return it in the input's place in `Model.predict`, or raise it; the message is shown to the client.
    """


_RETRY_S = 1.0
"""Where a model does not say how long to wait."""


class Retry(Exception):
    """This input cannot be answered now, as an upstream said (429): it is queued again for later, as if never tried.

    Return it in the input's place in `Model.predict`, or raise it. A prediction whose deadline would be over by
    then, or ``MODEL_RETRY_S_MAX`` since it was accepted, fails with ``model_busy``, and its price is given back.

    Args:
        after_s: Seconds to wait at least, such as an upstream's ``Retry-After``: a number, its text, the text of a date
            as HTTP has it, or a timedelta; up to a day. None, as where a header is missing, is the default second; so
            is anything else, which the model's log then says.
    """

    AFTER_S_MAX: ClassVar[float] = 86_400.0

    def __init__(self, after_s: SupportsFloat | str | timedelta | None = None) -> None:
        super().__init__(after_s)
        self.after_s = min(max(_seconds(after_s), 0.0), self.AFTER_S_MAX)


def _seconds(value: Any) -> float:
    if value is None:
        return _RETRY_S
    try:
        seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    except OverflowError:
        seconds = math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        seconds = _seconds_until(value)
    if math.isnan(seconds):  # failing the prediction would help nobody: the upstream is busy all the same
        print(f"Retry takes a number of seconds, not {value!r:.60}: it is {_RETRY_S:g} s.", file=sys.stderr)  # noqa: T201 - that is the log
        return _RETRY_S
    return seconds


def _seconds_until(date: Any) -> float:
    """Seconds until a date such as ``Wed, 21 Oct 2026 07:28:00 GMT``; NaN for what is none."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few models need it

    try:
        return parsedate_to_datetime(date).timestamp() - time.time()
    except (TypeError, ValueError, OverflowError, AttributeError):
        return math.nan


class Context(NamedTuple):
    """What is known of a request besides its input; a parameter of `Model.predict` with this annotation gets it.

    Attributes:
        prediction_id: The same in every attempt, so it may serve as an upstream's idempotency key.
        user: The same for all predictions of a user, and no more than that: neither a name nor an id.
        attempt: 1 in the first attempt.
        deadline: Until when the client wants the answer; None where it did not say.
    """

    prediction_id: str
    user: str
    attempt: int
    deadline: datetime | None


class Model:
    """A model: what it declares, how it is loaded, and how it predicts.

    Attributes:
        name: What a request names: lower case letters, digits and ``-``; the same as the folder's name.
        version: The model's own version; stored with each prediction.
        description: One paragraph for those who choose a model, shown by ``GET /models``.
        descriptions: The same in other languages by their codes, such as ``{"ru": "…"}``; page and bot show them.
        price_credits: What one prediction costs where an admin has set no other price; 0 or more.
        input_schema: JSON Schema (2020-12) of one input, ``"type": "object"``; only what fits is accepted, and its
            defaults are filled in before the model sees an input. Left out where `predict` says it with types.
        output_schema: JSON Schema of one output, ``"type": "object"``; the same.
        examples: Inputs to try, each fits the schema; the documentation shows them.
        batch_size: The largest batch that `predict` gets; 1 to 1,024.
        batch_wait_ms: How long a busy worker waits for a batch to fill; 0 to 1,000.
        timeout_s: Seconds that one batch may take before the model's process is killed; up to 600.
        load_timeout_s: Seconds that `load` may take, up to a day; None for the worker's MODEL_LOAD_TIMEOUT_S.
        pool: The workers that share one task queue.
        memory_bytes_max: Private memory of the model's process; None for the worker's MODEL_MEMORY_BYTES_MAX.
        output_bytes_max: JSON of one output, up to 32 MiB; None for the worker's MODEL_OUTPUT_BYTES_MAX.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    description: ClassVar[str]
    descriptions: ClassVar[dict[str, str]] = {}
    price_credits: ClassVar[int] = 1
    input_schema: ClassVar[JsonObject]
    output_schema: ClassVar[JsonObject]
    examples: ClassVar[Sequence[JsonObject]] = ()
    batch_size: ClassVar[int] = 32
    batch_wait_ms: ClassVar[float] = 0.0
    timeout_s: ClassVar[float] = 30.0
    pool: ClassVar[str] = "default"
    load_timeout_s: ClassVar[float | None] = None
    memory_bytes_max: ClassVar[int | None] = None
    output_bytes_max: ClassVar[int | None] = None

    def load(self) -> Coroutine[Any, Any, None] | None:
        """Read weights and warm up: called once, in the model's own process, before the first `predict`."""

    def weights(self, name: str) -> Path:
        """Return the path of a file, or of a folder, that this model's ``weights.json`` names; it has been verified.

        Args:
            name: A path inside the model's folder, such as ``model.onnx`` or ``weights``, or ``package:path``.

        Raises:
            WrongWeights: The manifest does not name it, or a file is not as the manifest says.
        """
        from ml_service.runtime.author.weights import path_of  # noqa: PLC0415 - not every model has weights

        return path_of(Path(sys.modules[type(self).__module__].__file__ or "").absolute().parent, name)

    def predict(self, *args: Any, **kwargs: Any) -> Any:
        """Answer an input, or a batch of them. What a model's own method takes says which, and makes its schemas.

        * ``predict(self, text: str, n: int = 3) -> Answer``: one input, a field each; Answer is a pydantic model or a
          dataclass. Both schemas, the defaults and an example come from the types, unless the class
          declares them. ``predict(self, input: Question) -> Answer`` gets all fields in one object.
        * ``predict(self, inputs: list[Question]) -> list[Answer]``: a batch of 1 to ``batch_size``.
        * ``predict(self, inputs)`` with ``input_schema`` and ``output_schema`` in the class: a batch of dicts.
        * ``async def predict`` for a model that waits for others: all inputs of a batch at once, each with
          ``timeout_s`` of its own.

        A further parameter annotated `Context` gets what is known of the request; ``list[Context]`` for a batch.

        Returns:
            For a batch, as many outputs, in the same order. An output fits ``output_schema``, or is a
            `PredictionFailure` or `Retry`, or another exception for an input that the model failed on. Values of numpy
            and torch, dates, bytes (as base64), enums, dataclasses and pydantic models are converted to JSON.

        Raises:
            Exception: Anything. Where it was raised for a batch, the batch is halved and tried again until the guilty
                inputs are found, so the method must answer the same input the same way each time.
        """
        raise NotImplementedError
