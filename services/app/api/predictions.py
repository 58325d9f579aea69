"""Predictions that were accepted: look at them, cancel them."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from ml_service.domain.errors import (
    AlreadyFinished,
    DatabaseUnavailable,
    IdempotencyKeyReused,
    InsufficientCredits,
    InvalidInput,
    KeyCapExceeded,
    ModelDisabled,
    ModelNotAllowed,
    ModelNotFound,
    NotFound,
    Overloaded,
    TooManyQueued,
)
from ml_service.domain.ids import first_id_at
from ml_service.domain.predictions import Source, Status
from ml_service.storage.history import FIRST_ID, LAST_ID, HistoryFilter
from ml_service.usecases import predictions
from services.app.api import cursors, exports, prediction_json
from services.app.api.idempotency import IdempotencyKey, key_of
from services.app.api.paging import Cursor, Limit, checked_limit
from services.app.api.periods import From, To, end_of, start_of
from services.app.api.problems import KEYED, problems
from services.app.api.query import KnownQueryRoute
from services.app.api.schemas.predictions import History, Prediction
from services.app.auth.principal import Predictor, Reader
from services.app.components import components_of

router = APIRouter(tags=["predictions"], route_class=KnownQueryRoute)


def _filter(
    status: Annotated[
        list[Status] | None, Query(max_length=len(Status), description="Only with this status; may be repeated.")
    ] = None,
    model: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9._-]{1,100}$", description="Only of this model.")] = None,
    source: Annotated[Source | None, Query(description="Only asked for this way.")] = None,
    batch_id: Annotated[UUID | None, Query(description="Only of this batch.")] = None,
    key: Annotated[
        UUID | None, Query(description="Only asked for with this API key, by its id; lines of its bulk jobs, too.")
    ] = None,
    start: From = None,
    end: To = None,
) -> HistoryFilter:
    """What of a history is wanted; raises InvalidInput."""
    since, until = start_of(start), end_of(end)
    return HistoryFilter(
        statuses=tuple(status or ()),
        model=model,
        source=source,
        batch_id=batch_id,
        key_id=key,
        from_id=FIRST_ID if since is None else first_id_at(since),
        until_id=LAST_ID if until is None else first_id_at(until),
    )


@router.get(
    "/predictions",
    summary="List predictions",
    response_model=History,
    responses={
        200: {
            "description": "A page; with `format=csv` or `jsonl` all that pass the filters, as a file.",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/x-ndjson": {"schema": {"type": "string"}},
            },
        },
        **problems(*KEYED, InvalidInput, Overloaded, DatabaseUnavailable),
    },
)
async def history(
    request: Request,
    current: Reader,
    wanted: Annotated[HistoryFilter, Depends(_filter)],
    limit: Limit = 50,
    cursor: Cursor = None,
    kind: Annotated[
        Literal["json", "csv", "jsonl"],
        Query(alias="format", description="`csv` and `jsonl` export all that pass the filters."),
    ] = "json",
) -> Response:
    """One's own predictions, newest first.

    A page also ends at some megabytes, or where looking for what passes the filters takes long: it may be short, even
    empty, and yet `next_cursor` goes on.
    """
    components = components_of(request)
    size = checked_limit(limit, components.settings.page_size_max)
    before = cursors.to_uuid(cursor)
    if kind != "json":
        reader = exports.ExportReader(components, current)
        pieces = predictions.export(components.database, current.user.id, wanted, reader.admit)
        write = exports.predictions_as_csv if kind == "csv" else exports.predictions_as_jsonl
        return exports.file(reader, "predictions", kind, write(pieces))
    async with components.database.autocommit() as session:
        page, following = await predictions.history(session, current.user.id, wanted, before=before, limit=size)
    return components.answers_in_flight.answer(current.user.id, prediction_json.page(page, cursors.of_uuid(following)))


@router.get(
    "/predictions/{prediction_id}",
    summary="Show a prediction",
    response_model=Prediction,
    responses=problems(*KEYED, NotFound, InvalidInput, Overloaded, DatabaseUnavailable),
)
async def get_prediction(request: Request, current: Reader, prediction_id: UUID) -> Response:
    """One prediction. Another user's prediction is answered like a missing one."""
    components = components_of(request)
    async with components.database.autocommit() as session:
        found = await predictions.get(session, current.user.id, prediction_id)
    return components.answers_in_flight.answer(current.user.id, prediction_json.one(found))


@router.post(
    "/predictions/{prediction_id}/cancel",
    summary="Cancel a prediction",
    response_model=Prediction,
    responses=problems(*KEYED, NotFound, AlreadyFinished, InvalidInput, DatabaseUnavailable),
)
async def cancel(request: Request, current: Predictor, prediction_id: UUID) -> Response:
    """Cancel an unfinished prediction; its credits come back at once. Canceling twice is no error."""
    components = components_of(request)
    async with components.database.begin() as session:
        canceled = await predictions.cancel(session, current.user.id, prediction_id, key_id=current.principal.key_id)
    components.live_answers.look(prediction_id)
    components.live_changes.tell([current.user.id])
    return components.answers_in_flight.answer(current.user.id, prediction_json.one(canceled))


@router.post(
    "/predictions/{prediction_id}/repeat",
    summary="Repeat a prediction",
    status_code=202,
    response_model=Prediction,
    responses={
        202: {
            "description": "Accepted, and its price is held; ask for it at `Location`.",
            "headers": {"Location": {"description": "Where the prediction is.", "schema": {"type": "string"}}},
        },
        **problems(
            *KEYED,
            ModelNotAllowed,
            KeyCapExceeded,
            NotFound,
            ModelNotFound,
            ModelDisabled,
            InsufficientCredits,
            InvalidInput,
            IdempotencyKeyReused,
            TooManyQueued,
            Overloaded,
            DatabaseUnavailable,
        ),
    },
)
async def repeat(request: Request, current: Predictor, prediction_id: UUID, _key: IdempotencyKey = None) -> Response:
    """Ask the same again, at today's price: of the same version while a worker serves it, else of the default one.

    What has a null `input`, since its text is no longer kept, is refused (422).
    """
    components = components_of(request)
    source = Source.WEB if current.principal.is_page else Source.API
    outcome = await components.submitter.repeat(current.principal, prediction_id, source, key_of(request.scope))
    accepted = outcome.predictions[0]
    headers = {"Location": f"/predictions/{accepted.id}"}
    if outcome.is_replay:
        headers["Idempotent-Replayed"] = "true"
        replayed = prediction_json.one(accepted, HTTPStatus.ACCEPTED, headers)
        return components.answers_in_flight.answer(current.user.id, replayed)
    components.live_changes.tell([current.user.id])
    components.metrics.accepted(accepted.model)
    return prediction_json.one(accepted, HTTPStatus.ACCEPTED, headers)
