"""Predictions as JSON bytes. Input and output are JSON text in the database and go out as they are, undecoded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from ml_service.domain.predictions import Prediction
from ml_service.domain.submissions import Outcome

_encoder = msgspec.json.Encoder()
_NONE: Mapping[str, str] = {}


def encode(prediction: Prediction) -> bytes:
    """One prediction."""
    return _encoder.encode(shown(prediction))


def encode_json(value: object) -> bytes:
    """A value that may hold what `shown` returns."""
    return _encoder.encode(value)


def json_of(value: object) -> Response:
    """A value as a response."""
    return Response(encode_json(value), media_type="application/json")


def page(predictions: Iterable[Prediction], next_cursor: str | None) -> Response:
    """A page of a history."""
    body = {"items": [shown(prediction) for prediction in predictions], "next_cursor": next_cursor}
    return Response(_encoder.encode(body), media_type="application/json")


class _EncodedResponse(Response):
    """JSON bytes with headers that need no check: Starlette's own way to both takes as long as encoding them."""

    def __init__(self, body: bytes, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        self.status_code = status.value
        self.body = body
        self.background = None
        self.raw_headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            *((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()),
        ]


def one(prediction: Prediction, status: HTTPStatus = HTTPStatus.OK, headers: Mapping[str, str] = _NONE) -> Response:
    """One prediction as a response; names of ``headers`` in lower case."""
    return _EncodedResponse(encode(prediction), status, headers)


def batch(outcome: Outcome) -> Response:
    """An accepted batch."""
    predictions = outcome.predictions
    batch_id = predictions[0].batch_id
    body = {
        "batch_id": batch_id,
        "cost": sum(one.cost for one in predictions),
        "balance": outcome.balance,
        "items": [{"id": one.id, "model": one.model, "status": one.status, "cost": one.cost} for one in predictions],
    }
    headers = {"Location": f"/predictions?batch_id={batch_id}"}
    if outcome.is_replay:
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
        "charged": prediction.charged,
        "source": prediction.source,
        "batch_id": prediction.batch_id,
        "key_id": prediction.key_id,
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
