"""Predictions as the API takes and shows them.

The models named after what is shown document it; `services/app/api/prediction_json.py` writes it, past pydantic,
since input and output are JSON text already.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, FailFast, Field, JsonValue

from ml_service.domain.predictions import Source, Status
from ml_service.domain.submissions import Receiver
from ml_service.domain.webhooks import PREDICTION_EVENTS, URL_LENGTH_MAX, PredictionEvent

ITEMS_MAX = 10_000
"""Only keeps absurd batches from being read; the limit in force is a setting."""

SHOWN_INPUT: dict[str, JsonValue] = {"text": "Доставили вовремя, всё отлично!"}
SHOWN_OUTPUT = {
    "label": "positive",
    "confidence": 0.98,
    "scores": {"negative": 0.01, "neutral": 0.01, "positive": 0.98},
}


Notify = Annotated[
    list[Receiver] | None,
    Field(
        max_length=10,
        description="`telegram`: the answer also goes to the chats connected to the account. Left out: as the account "
        "prefers (`/notify` in the chat); `[]`: nowhere.",
    ),
]


class NamedWebhook(BaseModel):
    """An address that gets the outcome of this request."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        min_length=1,
        max_length=URL_LENGTH_MAX,
        description="Signed with the secret of `GET /webhooks/secret`.",
        examples=["https://example.com/hooks/predictions"],
    )
    events: list[PredictionEvent] = Field(
        default=[*PREDICTION_EVENTS], min_length=1, max_length=10, description="Left out: all of them."
    )


class Item(BaseModel):
    """One input for one model. Give `input`, or, for a model that takes a text, `text` for short."""

    model_config = ConfigDict(extra="forbid")

    model: str | None = Field(
        default=None,
        description="Its name, or `name@version` for a certain version; if left out, the default model.",
    )
    input: dict[str, Any] | None = Field(default=None, description="As the model's `input_schema` says.")
    text: str | None = Field(default=None, description='Short for `{"input": {"text": …}}`.')


class NewPrediction(Item):
    """A request for one prediction."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"text": SHOWN_INPUT["text"]}, {"model": "sentiment", "input": SHOWN_INPUT}]}
    )

    deadline_s: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        strict=True,
        description="Seconds until it must have its answer; else it expires, also while it is computed, and its "
        "credits go back.",
    )
    notify: Notify = None
    webhook: NamedWebhook | None = None


class NewBatch(BaseModel):
    """A request for many predictions: accepted whole, in one transaction, or not at all."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"items": [{"text": SHOWN_INPUT["text"]}, {"text": "The parcel never came."}]}],
        },
    )

    items: Annotated[list[Item], FailFast()] = Field(min_length=1, max_length=ITEMS_MAX)
    deadline_s: float | None = Field(default=None, gt=0, allow_inf_nan=False, strict=True)
    notify: Notify = None
    webhook: NamedWebhook | None = Field(
        default=None, description="It gets the outcome of each prediction of the batch."
    )


class QuotedItem(BaseModel):
    """What one item would cost."""

    model: str = Field(examples=["sentiment"])
    version: str = Field(examples=["1.0.0"])
    cost_max: int = Field(description="Credits that it would hold, and at most cost.", examples=[1])


class Quote(BaseModel):
    """What a request would cost and how long it would take. Nothing is reserved: a price or the load may change."""

    cost_max: int = Field(description="Credits of all items together.", examples=[1])
    items: list[QuotedItem] = Field(description="In the order of the request.")
    estimated_s: float | None = Field(
        description="Seconds until all would be answered, by what waits now and by the last answers; null where no "
        "worker serves a model, it has not answered lately, or too much waits to tell.",
        examples=[0.05],
    )
    balance: int = Field(description="Credits that can be spent.", examples=[100])
    is_enough: bool = Field(description="Whether the balance covers it.", examples=[True])


class PredictionError(BaseModel):
    """Why there is no output."""

    code: str = Field(examples=["model_error"])
    message: str = Field(description="For people; once `input` is null, only that it is no longer kept.")


class Timings(BaseModel):
    """Where the time went, in milliseconds."""

    queued_ms: float | None = Field(description="From the request to its (last) claim by a worker.")
    predict_ms: float | None = Field(description="That its batch spent in the model.")
    total_ms: float | None = Field(description="From the request to its end.")


class Prediction(BaseModel):
    """One request and its answer."""

    id: UUID = Field(examples=["019a0b5e-7c1d-7000-8000-3f2a1b4c5d6e"])
    model: str = Field(examples=["sentiment"])
    version: str | None
    status: Status = Field(examples=[Status.SUCCEEDED])
    input: dict[str, Any] | None = Field(
        description="As it was given; null once its text is no longer kept (`TEXT_RETENTION_DAYS`), which is never "
        "the case before the prediction has ended.",
        examples=[SHOWN_INPUT],
    )
    output: dict[str, Any] | None = Field(
        description="As the model's `output_schema` says, an object; present when the status is `succeeded`, and null "
        "else. Null, too, where `input` is null: the answer is no longer kept either.",
        examples=[SHOWN_OUTPUT],
    )
    error: PredictionError | None = Field(description="Present when the status is `failed`, `canceled` or `expired`.")
    cost: int = Field(description="Credits held at submit; charged on success, released otherwise.", examples=[1])
    charged: int = Field(description="Credits charged: the cost after success, else 0.", examples=[1])
    source: Source
    batch_id: UUID | None
    key_id: UUID | None = Field(
        description="The API key that asked for it; null for a line of a bulk job, which the filter `key` finds, too."
    )
    worker_id: str | None = Field(description="The worker that has, or had, it.", examples=["worker-2"])
    attempts: int = Field(description="How many times a worker has taken it.", examples=[1])
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    timings: Timings


QUEUED_EXAMPLE: dict[str, JsonValue] = {
    "id": "019a0b5e-7c1d-7000-8000-3f2a1b4c5d6e",
    "model": "sentiment",
    "version": "1.0.0",
    "status": "queued",
    "input": SHOWN_INPUT,
    "output": None,
    "error": None,
    "cost": 1,
    "charged": 0,
    "source": "api",
    "batch_id": None,
    "key_id": None,
    "worker_id": None,
    "attempts": 0,
    "created_at": "2026-11-25T12:00:00Z",
    "started_at": None,
    "finished_at": None,
    "deadline_at": None,
    "timings": {"queued_ms": None, "predict_ms": None, "total_ms": None},
}
"""A prediction right after it was accepted."""


class History(BaseModel):
    """A page of predictions, newest first."""

    items: list[Prediction]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null on the last.")


class BatchItem(BaseModel):
    """A prediction of a batch, in the order of the request."""

    id: UUID
    model: str
    status: Status
    cost: int


class AcceptedBatch(BaseModel):
    """An accepted batch; `GET /predictions?batch_id=…` shows how it goes on."""

    batch_id: UUID
    cost: int = Field(description="Credits of all items together.", examples=[2])
    balance: int = Field(description="Credits left.", examples=[98])
    items: list[BatchItem]
