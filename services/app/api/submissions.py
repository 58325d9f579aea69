"""Submitting predictions, one or a batch."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import Response
from starlette.types import Scope as RequestScope

from ml_service.domain.credentials import Scope
from ml_service.domain.errors import (
    DatabaseUnavailable,
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidInput,
    KeyCapExceeded,
    ModelDisabled,
    ModelNotAllowed,
    ModelNotFound,
    Overloaded,
    ServiceError,
    TooManyQueued,
)
from ml_service.domain.predictions import JsonObject, Source
from ml_service.domain.predictions import Prediction as DomainPrediction
from ml_service.domain.submissions import ModelInput, Outcome, Receiver, SubmitRequest
from ml_service.domain.webhooks import RequestWebhook
from services.app.api import prediction_json
from services.app.api.idempotency import IdempotencyKey, key_of
from services.app.api.problems import BODY_REFUSED, KEYED, problems
from services.app.api.raw import RawRoute
from services.app.api.schemas.predictions import (
    QUEUED_EXAMPLE,
    AcceptedBatch,
    Item,
    NamedWebhook,
    NewBatch,
    NewPrediction,
    Prediction,
)
from services.app.api.strict import read_body
from services.app.auth.principal import BEARER, KEY, check, principal_of
from services.app.components import AppComponents, components_of

_WAIT = re.compile(r'(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})(?![\d.])', re.IGNORECASE)

_Read = Callable[[Request, Source], Awaitable[SubmitRequest]]

Token = Annotated[str | None, Depends(BEARER)]
Key = Annotated[str | None, Depends(KEY)]
Prefer = Annotated[
    str | None,
    Header(
        alias="Prefer",
        description="`wait=N`: answer 200 with the result if it comes within N seconds, else 202 (RFC 7240).",
        examples=["wait=5"],
    ),
]
_LOCATION = {"Location": {"description": "Where the prediction is.", "schema": {"type": "string"}}}
_PROBLEMS = problems(
    *BODY_REFUSED,
    *KEYED,
    ModelNotAllowed,
    KeyCapExceeded,
    InsufficientCredits,
    ModelNotFound,
    ModelDisabled,
    InvalidInput,
    IdempotencyKeyReused,
    TooManyQueued,
    Overloaded,
    DatabaseUnavailable,
)


async def submit_prediction(request: Request) -> Response:
    """Its price is held at once, taken on success and given back otherwise.

    An answer that was waited for and is large comes without its output, as 202, while the client has taken too little
    of earlier ones.
    """
    components = components_of(request)
    outcome = await _submit(components, request, _read_prediction)
    prediction = outcome.predictions[0]
    headers = {"location": f"/predictions/{prediction.id}"}
    if outcome.is_replay:
        headers["idempotent-replayed"] = "true"
    wait_s = _wait_of(request.scope, components.settings.wait_s_max)
    if wait_s:
        headers["preference-applied"] = f"wait={wait_s:g}"
        if not prediction.is_terminal:
            prediction = await _wait_for(components, prediction, wait_s, fresh=not outcome.is_replay)
    status = HTTPStatus.OK if prediction.is_terminal else HTTPStatus.ACCEPTED
    response = prediction_json.one(prediction, status, headers)
    user_id, in_flight = prediction.user_id, components.answers_in_flight
    if not outcome.is_replay and not in_flight.has_room(user_id, len(response.body)):
        return prediction_json.one(outcome.predictions[0], HTTPStatus.ACCEPTED, headers)
    return in_flight.answer(user_id, response)


async def submit_batch(request: Request) -> Response:
    """All are accepted in one transaction, or none. Other users' single predictions never wait for a batch."""
    components = components_of(request)
    outcome = await _submit(components, request, _read_batch)
    response = prediction_json.batch(outcome)
    if not outcome.is_replay:
        return response
    return components.answers_in_flight.answer(outcome.predictions[0].user_id, response)


def _prediction_parameters(
    token: Token, key: Key, new: NewPrediction, idempotency_key: IdempotencyKey = None, prefer: Prefer = None
) -> None:
    """What `submit_prediction` takes."""


def _batch_parameters(token: Token, key: Key, new: NewBatch, idempotency_key: IdempotencyKey = None) -> None:
    """What `submit_batch` takes."""


routes = (
    RawRoute(
        "/predictions/predict",
        submit_prediction,
        documented=_prediction_parameters,
        summary="Submit a prediction",
        tags=["predictions"],
        status_code=202,
        response_model=Prediction,
        responses={
            200: {
                "model": Prediction,
                "description": "Done within the time of `Prefer: wait=N`.",
                "headers": _LOCATION,
            },
            202: {
                "description": "Accepted, and its price is held; ask for it at `Location`.",
                "headers": _LOCATION,
                "content": {"application/json": {"example": QUEUED_EXAMPLE}},
            },
            **_PROBLEMS,
        },
    ),
    RawRoute(
        "/predictions/batch",
        submit_batch,
        documented=_batch_parameters,
        summary="Submit a batch of predictions",
        tags=["predictions"],
        status_code=202,
        response_model=AcceptedBatch,
        responses={
            202: {"description": "Accepted as a whole, and its price is held.", "headers": _LOCATION},
            **_PROBLEMS,
        },
    ),
)


async def _submit(
    components: AppComponents, request: Request, read: Callable[[Request, Source], Awaitable[SubmitRequest]]
) -> Outcome:
    """Read and submit; the statement that accepts it looks session or key up, so that this costs nothing by itself."""
    principal = await principal_of(request)
    source = Source.WEB if principal.is_page else Source.API
    try:
        asked = await read(request, source)
        if asked.webhook is not None:
            components.webhook_limits.check(asked.webhook.url, "body.webhook.url")
        outcome = await components.submitter.submit(principal, asked)
    except DatabaseUnavailable:
        raise  # session or key cannot be looked up either, and the client has waited long enough
    except (ServiceError, HTTPException, RequestValidationError) as error:
        # Without a valid session or key the answer is 401, whatever else is wrong.
        await check(request, Scope.PREDICT, is_counted=True)
        if isinstance(error, KeyCapExceeded | ModelNotAllowed):
            components.metrics.key_refused(error.code)
        raise
    if not outcome.is_replay:
        components.live_changes.tell([principal.user_id])
        for prediction in outcome.predictions:
            components.metrics.accepted(prediction.model)
    return outcome


async def _read_prediction(request: Request, source: Source) -> SubmitRequest:
    key = key_of(request.scope)
    return request_of_one(await read_body(request, NewPrediction), source, key)


async def _read_batch(request: Request, source: Source) -> SubmitRequest:
    key = key_of(request.scope)
    return request_of_batch(await read_body(request, NewBatch), source, key)


def request_of_one(new: NewPrediction, source: Source, key: str | None = None) -> SubmitRequest:
    """What a body asks for; raises InvalidInput."""
    items = (ModelInput(new.model, _input_of(new)),)
    return SubmitRequest(
        items,
        source,
        key=key,
        deadline_s=new.deadline_s,
        notify=_receivers(new.notify),
        webhook=_webhook(new.webhook),
    )


def request_of_batch(new: NewBatch, source: Source, key: str | None = None) -> SubmitRequest:
    """What the body of a batch asks for; raises InvalidInput."""
    items = tuple(ModelInput(item.model, _input_of(item, f"items.{place}.")) for place, item in enumerate(new.items))
    return SubmitRequest(
        items,
        source,
        is_batch=True,
        key=key,
        deadline_s=new.deadline_s,
        notify=_receivers(new.notify),
        webhook=_webhook(new.webhook),
    )


def _webhook(named: NamedWebhook | None) -> RequestWebhook | None:
    if named is None:
        return None
    return RequestWebhook(named.url, tuple(sorted(set(named.events))))


def _receivers(notify: list[Receiver] | None) -> frozenset[Receiver] | None:
    return None if notify is None else frozenset(notify)


def _input_of(item: Item, place: str = "") -> JsonObject:
    if (item.input is None) == (item.text is None):
        message = "Give either input or text."
        raise InvalidInput(message, errors=[{"location": f"body.{place}input", "message": message}])
    return {"text": item.text} if item.input is None else item.input


def _wait_of(scope: RequestScope, wait_s_max: float) -> float:
    """Seconds that the client prefers to wait; what cannot be read is ignored, as RFC 7240 asks."""
    for name, value in scope["headers"]:
        if name == b"prefer" and (found := _WAIT.search(value.decode("latin-1"))):
            return min(float(found[1]), wait_s_max)
    return 0.0


async def _wait_for(
    components: AppComponents, prediction: DomainPrediction, wait_s: float, *, fresh: bool
) -> DomainPrediction:
    with components.live_answers.watch(prediction.id, fresh=fresh) as watch:
        return await watch.until_terminal(wait_s) or prediction
