"""Predictions as the API takes and shows them.

The models named after what is shown document it; `services/app/api/answers.py` writes it, past pydantic, since input
and output are JSON text already.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from ml_service.domain.predictions import Source, Status

ITEMS_MAX = 100_000
"""Only keeps absurd batches from being read; the limit in force is a setting."""

SHOWN_INPUT: dict[str, JsonValue] = {"text": "Доставили вовремя, всё отлично!"}
SHOWN_OUTPUT = {
    "label": "positive",
    "confidence": 0.98,
    "scores": {"negative": 0.01, "neutral": 0.01, "positive": 0.98},
}


class Item(BaseModel):
    """One input for one model. Give `input`, or, for a model that takes a text, `text` for short."""

    model: str | None = Field(default=None, description="Its name; the default model where it is left out.")
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
        description="Seconds until which a worker must have begun; else it expires and its credits go back.",
    )


class NewBatch(BaseModel):
    """A request for many predictions: accepted whole, in one transaction, or not at all."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"items": [{"text": SHOWN_INPUT["text"]}, {"text": "The parcel never came."}]}],
        }
    )

    items: list[Item] = Field(min_length=1, max_length=ITEMS_MAX)
    deadline_s: float | None = Field(default=None, gt=0, allow_inf_nan=False, strict=True)


class PredictionError(BaseModel):
    """Why there is no output."""

    code: str = Field(examples=["model_error"])
    message: str


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
    input: dict[str, Any] = Field(examples=[SHOWN_INPUT])
    output: dict[str, Any] | None = Field(
        description="As the model's `output_schema` says; present exactly when the status is `succeeded`.",
        examples=[SHOWN_OUTPUT],
    )
    error: PredictionError | None = Field(description="Present when the status is `failed`, `canceled` or `expired`.")
    cost: int = Field(description="Credits: held at once, taken on success, given back otherwise.", examples=[1])
    source: Source
    batch_id: UUID | None
    worker_id: str | None = Field(description="The worker that has, or had, it.", examples=["worker-2"])
    attempts: int = Field(description="How many times a worker has taken it.", examples=[1])
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    deadline_at: datetime | None
    timings: Timings


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


class Batch(BaseModel):
    """An accepted batch; `GET /predictions?batch_id=…` shows how it goes on."""

    batch_id: UUID
    cost: int = Field(description="Credits of all items together.", examples=[2])
    balance: int = Field(description="Credits left.", examples=[98])
    items: list[BatchItem]
