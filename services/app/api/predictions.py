"""Asking for predictions, and looking at them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request
from starlette.responses import Response

from ml_service.domain.errors import (
    AlreadyFinished,
    DatabaseUnavailable,
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidInput,
    ModelNotFound,
    NotFound,
    Overloaded,
    TooManyQueued,
    Unauthenticated,
)
from ml_service.domain.predictions import Prediction as DomainPrediction
from ml_service.domain.predictions import Source, Status
from ml_service.storage.predictions import HistoryFilter
from ml_service.usecases import predictions
from ml_service.usecases.predictions import Ask
from services.app.api import answers, cursors
from services.app.api.auth import CurrentUser
from services.app.api.paging import Cursor, Limit, checked_limit
from services.app.api.problems import BODY_REFUSED, problems
from services.app.api.schemas.predictions import Batch, History, Item, NewBatch, NewPrediction, Prediction
from services.app.api.strict import StrictRoute
from services.app.parts import Parts, parts_of

router = APIRouter(tags=["predictions"], route_class=StrictRoute)

_WAIT = re.compile(r'(?:^|[,;\s])wait\s*=\s*"?(\d{1,6})(?![\d.])', re.IGNORECASE)

PREDICT = "/predictions/predict"
KEY_PATTERN = r"^[\x20-\x7e]{1,255}$"

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=KEY_PATTERN,
        description="Repeating a request with its key answers with the first one's prediction, at no cost.",
        examples=["order-1042"],
    ),
]
Prefer = Annotated[
    str | None,
    Header(
        alias="Prefer",
        description="`wait=N`: answer 200 with the result if it comes within N seconds, else 202 (RFC 7240).",
        examples=["wait=5"],
    ),
]
_LOCATION = {"Location": {"description": "Where the prediction is.", "schema": {"type": "string"}}}
_SUBMIT_PROBLEMS = problems(
    *BODY_REFUSED,
    Unauthenticated,
    InsufficientCredits,
    ModelNotFound,
    InvalidInput,
    IdempotencyKeyReused,
    TooManyQueued,
    Overloaded,
    DatabaseUnavailable,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One prediction as a client asks for it.

    Attributes:
        model: None: the default one.
        key, prefer: What the headers Idempotency-Key and Prefer say.
    """

    model: str | None
    input: dict[str, Any]
    deadline_s: float | None = None
    key: str | None = None
    prefer: str | None = None


@router.post(
    PREDICT,
    status_code=202,
    response_model=Prediction,
    responses={
        200: {"model": Prediction, "description": "Done within the time of `Prefer: wait=N`.", "headers": _LOCATION},
        202: {"description": "Accepted and paid for; ask for it at `Location`.", "headers": _LOCATION},
        **_SUBMIT_PROBLEMS,
    },
)
async def predict(
    request: Request,
    current: CurrentUser,
    new: NewPrediction,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Ask for one prediction. Its price is held at once, taken on success and given back otherwise."""
    wanted = Wanted(new.model, _input_of(new), new.deadline_s, idempotency_key, prefer)
    return await submit(parts_of(request), current.user.id, wanted)


async def submit(parts: Parts, user_id: UUID, wanted: Wanted, session_id: UUID | None = None) -> Response:
    """Ask for one prediction; the end of both ways to it, the route's and `services/app/shortcut.py`'s.

    Args:
        session_id: The sign-in, where it has not been looked up yet.

    Raises:
        ServiceError: It was not accepted.
    """
    parts.load.admit(1)
    asked = await parts.predictor.ask(
        user_id,
        [Ask(parts.settings.default_model if wanted.model is None else wanted.model, wanted.input)],
        source=Source.API,
        key=wanted.key,
        deadline_s=wanted.deadline_s,
        session_id=session_id,
    )
    prediction = asked.predictions[0]
    headers = {"Location": f"/predictions/{prediction.id}"}
    if asked.is_replay:
        headers["Idempotent-Replayed"] = "true"
    else:
        parts.load.accepted(1)
        parts.metrics.accepted(prediction.model)
    wait_s = _wait_of(wanted.prefer, parts.settings.wait_s_max)
    if wait_s:
        headers["Preference-Applied"] = f"wait={wait_s:g}"
        if not prediction.is_terminal:
            prediction = await _wait_for(parts, prediction, wait_s, fresh=not asked.is_replay)
    status = HTTPStatus.OK if prediction.is_terminal else HTTPStatus.ACCEPTED
    return answers.one(prediction, status, headers)


@router.post(
    "/predictions/batch",
    status_code=202,
    response_model=Batch,
    responses={202: {"description": "Accepted and paid for, as a whole.", "headers": _LOCATION}, **_SUBMIT_PROBLEMS},
)
async def predict_batch(
    request: Request, current: CurrentUser, new: NewBatch, idempotency_key: IdempotencyKey = None
) -> Response:
    """Ask for many predictions: all are accepted in one transaction, or none. Singles of others never wait for them."""
    parts = parts_of(request)
    parts.load.admit(len(new.items))
    default = parts.settings.default_model
    asked = await parts.predictor.ask(
        current.user.id,
        [
            Ask(default if item.model is None else item.model, _input_of(item, f"items.{place}."))
            for place, item in enumerate(new.items)
        ],
        source=Source.API,
        is_batch=True,
        key=idempotency_key,
        deadline_s=new.deadline_s,
    )
    if not asked.is_replay:
        parts.load.accepted(len(asked.predictions))
        for prediction in asked.predictions:
            parts.metrics.accepted(prediction.model)
    return answers.batch(asked)


@router.get(
    "/predictions",
    response_model=History,
    responses=problems(Unauthenticated, InvalidInput, DatabaseUnavailable),
)
async def history(
    request: Request,
    current: CurrentUser,
    limit: Limit = 50,
    cursor: Cursor = None,
    status: Annotated[Status | None, Query(description="Only with this status.")] = None,
    model: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,100}$", description="Only of this model.")] = None,
    source: Annotated[Source | None, Query(description="Only asked for this way.")] = None,
    batch_id: Annotated[UUID | None, Query(description="Only of this batch.")] = None,
) -> Response:
    """One's own predictions, newest first."""
    parts = parts_of(request)
    size = checked_limit(limit, parts.settings.page_size_max)
    before = cursors.to_uuid(cursor)
    wanted = HistoryFilter(status=status, model=model, source=source, batch_id=batch_id)
    async with parts.database.autocommit() as session:
        page, following = await predictions.history(session, current.user.id, wanted, before=before, limit=size)
    return answers.page(page, cursors.of_uuid(following))


@router.get(
    "/predictions/{prediction_id}",
    response_model=Prediction,
    responses=problems(Unauthenticated, NotFound, InvalidInput, DatabaseUnavailable),
)
async def get_prediction(request: Request, current: CurrentUser, prediction_id: UUID) -> Response:
    """One prediction. Somebody else's is answered like one that does not exist."""
    async with parts_of(request).database.autocommit() as session:
        return answers.one(await predictions.get(session, current.user.id, prediction_id))


@router.post(
    "/predictions/{prediction_id}/cancel",
    response_model=Prediction,
    responses=problems(Unauthenticated, NotFound, AlreadyFinished, InvalidInput, DatabaseUnavailable),
)
async def cancel(request: Request, current: CurrentUser, prediction_id: UUID) -> Response:
    """Cancel an unfinished prediction; its credits come back at once. Canceling twice is no error."""
    parts = parts_of(request)
    async with parts.database.begin() as session:
        canceled = await predictions.cancel(session, current.user.id, prediction_id)
    parts.live.look(prediction_id)
    return answers.one(canceled)


async def _wait_for(parts: Parts, prediction: DomainPrediction, wait_s: float, *, fresh: bool) -> DomainPrediction:
    with parts.live.watch(prediction.id, fresh=fresh) as watch:
        return await watch.until_terminal(wait_s) or prediction


def _input_of(item: Item, place: str = "") -> dict[str, Any]:
    if (item.input is None) == (item.text is None):
        message = "Give either input or text."
        raise InvalidInput(message, errors=[{"location": f"body.{place}input", "message": message}])
    return {"text": item.text} if item.input is None else item.input


def _wait_of(prefer: str | None, wait_s_max: float) -> float:
    """Seconds that the client prefers to wait; what cannot be read is ignored, as RFC 7240 asks."""
    found = _WAIT.search(prefer) if prefer else None
    return min(float(found[1]), wait_s_max) if found else 0.0
