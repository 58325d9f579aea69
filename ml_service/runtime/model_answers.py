"""What comes back for one input."""

from __future__ import annotations

from typing import Final, NamedTuple

INPUT_REJECTED: Final = "input_rejected"  # the model says that this input has no answer
OUTPUT_INVALID: Final = "output_invalid"  # what the model returned is no JSON object, or does not fit its output_schema
MODEL_ERROR: Final = "model_error"  # the model raised
MODEL_CRASHED: Final = "model_crashed"  # the model's process died on it
MODEL_TIMEOUT: Final = "model_timeout"  # the model was not done in its time
MODEL_OUT_OF_MEMORY: Final = "model_out_of_memory"  # it wanted more memory than the model may take
MODEL_BUSY: Final = "model_busy"  # it asked for a later attempt, for which there is no time

FAILURE_CODES = (
    *(INPUT_REJECTED, OUTPUT_INVALID, MODEL_ERROR, MODEL_CRASHED, MODEL_TIMEOUT, MODEL_OUT_OF_MEMORY, MODEL_BUSY),
)


class Success(NamedTuple):
    """An output.

    Attributes:
        output_json: A JSON object as text, without NaN and NUL: ready for the database.
        predict_ms: How long the model's call took that answered this input, and perhaps others with it.
    """

    output_json: str
    predict_ms: float


class Failure(NamedTuple):
    """An input without an output.

    Attributes:
        code: One of `FAILURE_CODES`.
        message: One sentence for the client; the details are in the worker's log.
        predict_ms: How long the model's last call with this input took.
        place: Where the model raised, as "model.py, line 12"; empty where that is not known.
        cause: What it raised, as "KeyError: 'x'". Both for the log only: it may be meant for the operator alone.
    """

    code: str
    message: str
    predict_ms: float
    place: str = ""
    cause: str = ""


class Postponed(NamedTuple):
    """An input that the model wants to see again later.

    Attributes:
        after_s: Seconds until then, at least.
        predict_ms: How long the model's call with this input took.
    """

    after_s: float
    predict_ms: float


ModelAnswer = Success | Failure | Postponed
