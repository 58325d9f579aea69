"""What the service answers. Fields that a newer service adds are ignored."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict

JsonObject = dict[str, Any]
Item = TypeVar("Item")


class PredictionFailed(Exception):
    """A prediction has no output: it ended without one, and cost nothing; or its texts are no longer kept.

    Attributes:
        prediction: The whole of it.
        code: Why, for programs, such as ``model_error`` or ``deadline_exceeded``; ``succeeded`` where the output was
            erased.
    """

    def __init__(self, prediction: Prediction) -> None:
        self.prediction = prediction
        self.code = prediction.error.code if prediction.error else prediction.status.value
        message = prediction.error.message if prediction.error else f"The prediction has {prediction.status}."
        if prediction.status is Status.SUCCEEDED:
            message = "The text is no longer kept."
        super().__init__(f"{message} ({self.code}, prediction {prediction.id})")


class Answered(BaseModel):
    """What all answers have in common."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Status(StrEnum):
    """Where a prediction is on its way."""

    QUEUED = "queued"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def is_open(self) -> bool:
        """Whether it can still change."""
        return self in {Status.QUEUED, Status.PROCESSING}


class PredictionError(Answered):
    """Why a prediction has no output: a stable code for programs, a sentence for people."""

    code: str
    message: str


class Timings(Answered):
    """Where the time of a prediction went, in milliseconds."""

    queued_ms: float | None
    predict_ms: float | None
    total_ms: float | None


class Prediction(Answered):
    """One request and its answer.

    Attributes:
        input: None once the service keeps texts no longer.
        output: As the model's ``output_schema`` says; present when the status is ``succeeded``, unless ``input`` is
            None: then the answer is no longer kept either.
        cost: Credits held at submit; ``charged`` of them were taken.
        key_id: The API key by which it was asked for.
    """

    id: UUID
    model: str
    version: str | None
    status: Status
    input: JsonObject | None
    output: JsonObject | None
    error: PredictionError | None
    cost: int
    charged: int
    source: str
    key_id: UUID | None = None
    batch_id: UUID | None
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    timings: Timings

    @property
    def is_open(self) -> bool:
        """Whether it can still change."""
        return self.status.is_open

    def result(self) -> JsonObject:
        """The output; raises PredictionFailed where there is none."""
        if self.output is None:
            raise PredictionFailed(self)
        return self.output


class Update(Answered):
    """News of a prediction that is followed.

    Attributes:
        position: Its place in the queue, 1 is the next one; None where it is not queued or not known.
        estimated_s: Seconds until its answer, where that can be told.
    """

    prediction: Prediction
    position: int | None = None
    estimated_s: float | None = None


class BatchItem(Answered):
    """A prediction of a batch, in the order of the request."""

    id: UUID
    model: str
    status: Status
    cost: int


class Batch(Answered):
    """An accepted batch, and the balance after it."""

    batch_id: UUID
    cost: int
    balance: int
    items: list[BatchItem]


class QuotedItem(Answered):
    """What one item would cost, at most."""

    model: str
    version: str
    cost_max: int


class Quote(Answered):
    """What a request would cost and how long it would take."""

    cost_max: int
    items: list[QuotedItem]
    estimated_s: float | None
    balance: int
    is_enough: bool


class Balance(Answered):
    """Credits that can be spent, and credits that open predictions hold."""

    balance: int
    held: int


class Transaction(Answered):
    """One movement of credits."""

    id: int
    kind: str
    amount: int
    change: int
    balance_after: int | None
    prediction_id: UUID | None
    reason: str | None
    created_at: datetime


class RecentTimes(Answered):
    """How long the last answers took."""

    median_ms: float
    p95_ms: float
    samples: int


class ModelVersion(Answered):
    """A version of a model."""

    version: str
    is_default: bool
    is_live: bool
    state: str


class Model(Answered):
    """A model that can be asked."""

    name: str
    version: str
    description: str
    descriptions: dict[str, str]
    price_credits: int
    is_default: bool
    is_live: bool
    state: str
    recent: RecentTimes | None
    input_schema: JsonObject
    output_schema: JsonObject
    examples: list[JsonObject]
    versions: list[ModelVersion]


class Models(Answered):
    """All models."""

    items: list[Model]


class Page(Answered, Generic[Item]):
    """A page of a list; ``next_cursor`` asks for the next one, and is None on the last."""

    items: list[Item]
    next_cursor: str | None


class Tokens(Answered):
    """A sign-in."""

    access_token: str
    refresh_token: str
    expires_in: float
