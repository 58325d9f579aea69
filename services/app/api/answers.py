"""Predictions as JSON bytes. Input and output are JSON text in the database and go out as they are, undecoded."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from ml_service.domain.predictions import Prediction
from ml_service.usecases.predictions import Asked

_encoder = msgspec.json.Encoder()


def encode(prediction: Prediction) -> bytes:
    """One prediction."""
    return _encoder.encode(shown(prediction))


def page(predictions: Iterable[Prediction], next_cursor: str | None) -> Response:
    """A page of a history."""
    body = {"items": [shown(prediction) for prediction in predictions], "next_cursor": next_cursor}
    return Response(_encoder.encode(body), media_type="application/json")


def one(prediction: Prediction, status: HTTPStatus = HTTPStatus.OK, headers: dict[str, str] | None = None) -> Response:
    """One prediction as a response."""
    return Response(encode(prediction), status.value, headers, "application/json")


def batch(asked: Asked) -> Response:
    """An accepted batch."""
    items = [{"id": one.id, "model": one.model, "status": one.status, "cost": one.cost} for one in asked.predictions]
    body = {
        "batch_id": asked.batch_id,
        "cost": sum(prediction.cost for prediction in asked.predictions),
        "balance": asked.balance,
        "items": items,
    }
    headers = {"Location": f"/predictions?batch_id={asked.batch_id}"}
    if asked.is_replay:
        headers["Idempotent-Replayed"] = "true"
    return Response(_encoder.encode(body), HTTPStatus.ACCEPTED.value, headers, "application/json")


def shown(prediction: Prediction) -> dict[str, Any]:
    """What a user sees of a prediction; `schemas.predictions.Prediction` documents it."""
    error = prediction.error
    return {
        "id": prediction.id,
        "model": prediction.model,
        "version": prediction.version,
        "status": prediction.status,
        "input": msgspec.Raw(prediction.input.encode()),
        "output": None if prediction.output is None else msgspec.Raw(prediction.output.encode()),
        "error": None if error is None else {"code": error.code, "message": error.message},
        "cost": prediction.cost,
        "source": prediction.source,
        "batch_id": prediction.batch_id,
        "worker_id": prediction.worker_id,
        "attempts": prediction.attempts,
        "created_at": prediction.created_at,
        "started_at": prediction.started_at,
        "finished_at": prediction.finished_at,
        "deadline_at": prediction.deadline_at,
        "timings": {
            "queued_ms": _ms(prediction.created_at, prediction.started_at),
            "predict_ms": None if prediction.predict_ms is None else round(prediction.predict_ms, 3),
            "total_ms": _ms(prediction.created_at, prediction.finished_at),
        },
    }


def _ms(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else round((end - start).total_seconds() * 1000, 3)
