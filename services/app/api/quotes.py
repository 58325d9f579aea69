"""What predictions would cost and how long they would take; nothing is accepted."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import Response

from ml_service.domain.credentials import Scope
from ml_service.domain.errors import (
    DatabaseUnavailable,
    InvalidInput,
    ModelDisabled,
    ModelNotAllowed,
    ModelNotFound,
)
from ml_service.domain.predictions import Source
from ml_service.usecases.api_keys import model_not_allowed
from services.app.api import prediction_json
from services.app.api.problems import BODY_REFUSED, KEYED, problems
from services.app.api.raw import RawRoute
from services.app.api.schemas.predictions import NewBatch, NewPrediction, Quote
from services.app.api.strict import read_one_of
from services.app.api.submissions import Key, Token, request_of_batch, request_of_one
from services.app.auth.principal import check
from services.app.components import components_of


async def quote(request: Request) -> Response:
    """Price one prediction or a batch, given as for asking it, and estimate the time; nothing is written.

    What would be refused is refused here with the same error, but for what only the moment decides: the balance, the
    number of unfinished predictions, the load.
    """
    components = components_of(request)
    caller = await check(request, Scope.PREDICT)
    new = await read_one_of(request, _kind_of)
    is_batch = isinstance(new, NewBatch)
    asked = request_of_batch(new, Source.API) if isinstance(new, NewBatch) else request_of_one(new, Source.API)
    if asked.webhook is not None:
        components.webhook_limits.check(asked.webhook.url, "body.webhook.url")
    items = await components.submitter.price(asked)
    cost = sum(item.cost for item in items)
    if caller.key is not None and (
        refused := sorted({one.model for one in items if not caller.key.may_use(one.model)})
    ):
        raise model_not_allowed(refused)
    cap_left = None if caller.key is None else caller.key.cap_left
    quoted = prediction_json.json_of(
        {
            "cost_max": cost,
            "items": [{"model": item.model, "version": item.version, "cost_max": item.cost} for item in items],
            "estimated_s": await components.estimates.seconds(items, is_batch=is_batch),
            "balance": caller.user.balance,
            "is_enough": cost <= min(caller.user.balance, cost if cap_left is None else cap_left),
        }
    )
    return components.answers_in_flight.answer(caller.user.id, quoted)


def _kind_of(value: Any) -> type[NewPrediction | NewBatch]:
    return NewBatch if isinstance(value, dict) and "items" in value else NewPrediction


def _parameters(token: Token, key: Key, new: NewPrediction | NewBatch) -> None:
    """What `quote` takes."""


routes = (
    RawRoute(
        "/predictions/quote",
        quote,
        documented=_parameters,
        summary="Quote a prediction or a batch",
        tags=["predictions"],
        response_model=Quote,
        responses=problems(
            *BODY_REFUSED, *KEYED, ModelNotAllowed, ModelNotFound, ModelDisabled, InvalidInput, DatabaseUnavailable
        ),
    ),
)
