"""Predictions as the bot gets them, and what a person reads of a view."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from msgspec import structs

from ml_service.domain.ids import new_id
from ml_service.domain.predictions import Prediction, PredictionError, Source, Status
from services.bot.phrases import phrases
from services.bot.views.view import View
from tests.support.telegram_rules import Screen, read_html

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EN, RU = phrases("en"), phrases("ru")


def prediction(status: Status = Status.SUCCEEDED, output: Any = None, **more: Any) -> Prediction:
    values: dict[str, Any] = {
        "id": new_id(), "user_id": new_id(), "model": "sentiment", "version": "1.0.0", "status": status,
        "input": '{"text":"Отличный сервис"}', "output": None if output is None else orjson.dumps(output).decode(),
        "error": None, "cost": 1, "source": Source.TELEGRAM, "batch_id": None, "worker_id": "worker-1", "attempts": 1,
        "predict_ms": 2.0, "deadline_at": None, "created_at": NOW, "started_at": NOW,
        "finished_at": NOW + timedelta(seconds=0.42) if status not in {Status.QUEUED, Status.PROCESSING} else None,
    }  # fmt: skip
    return Prediction(**values | more)


def shown(view: View) -> str:
    """What a person reads; holds that Telegram takes it."""
    fields = {"text": view.text, "parse_mode": "HTML"}
    if view.keyboard is not None:
        fields["reply_markup"] = view.keyboard.model_dump_json(exclude_none=True)
    assert Screen().refusal("sendMessage", fields) is None, view
    return read_html(view.text)[0]


SENTIMENT = {
    "label": "positive", "confidence": 0.931, "scores": {"positive": 0.931, "neutral": 0.05, "negative": 0.019},
}  # fmt: skip


def erased(status: Status = Status.SUCCEEDED) -> Prediction:
    """What TEXT_RETENTION_DAYS leaves of a prediction."""
    if status is Status.SUCCEEDED:
        return structs.replace(prediction(status), input="null", output="null")
    return prediction(status, input="null", error=PredictionError("boom", "The text is no longer kept."))
