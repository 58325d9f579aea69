"""Predictions of anyone."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from ml_service.domain.errors import AlreadyFinished, InvalidInput, NotFound, Overloaded, TooManyRequests
from ml_service.usecases import admin_predictions
from ml_service.usecases.admin import Admin
from services.app.api import cursors, prediction_json
from services.app.api.admin.access import REFUSALS, CurrentAdmin
from services.app.api.paging import Cursor, Limit, checked_limit
from services.app.api.problems import BODY_REFUSED, problems
from services.app.api.schemas.admin.users import (
    AdminPrediction,
    AdminPredictions,
    AdminPredictionWithTexts,
    Cancellation,
)
from services.app.api.strict import StrictRoute
from services.app.components import AppComponents, components_of

router = APIRouter(prefix="/admin", tags=["admin"], route_class=StrictRoute)


@router.get(
    "/predictions",
    summary="List predictions of anyone",
    response_model=AdminPredictions,
    responses=problems(*REFUSALS, InvalidInput),
)
async def list_predictions(
    request: Request,
    _admin: CurrentAdmin,
    limit: Limit = 50,
    cursor: Cursor = None,
    prediction_id: Annotated[UUID | None, Query(alias="id", description="Only this one.")] = None,
    user: Annotated[
        str | None, Query(max_length=64, pattern=r"^[^\x00]*$", description="Only of this user, by name or id.")
    ] = None,
) -> AdminPredictions:
    """Predictions without their texts, the newest first."""
    components = components_of(request)
    size = checked_limit(limit, components.settings.page_size_max)
    before = cursors.to_uuid(cursor)
    async with components.database.autocommit() as session:
        page, following = await admin_predictions.listed(
            session, prediction_id=prediction_id, user=user or None, before=before, limit=size
        )
    return AdminPredictions(items=[AdminPrediction.of(one) for one in page], next_cursor=cursors.of_uuid(following))


@router.get(
    "/predictions/{prediction_id}",
    summary="Show a prediction of anyone",
    response_model=AdminPredictionWithTexts,
    responses=problems(*REFUSALS, InvalidInput, NotFound, TooManyRequests, Overloaded),
)
async def show_prediction(request: Request, current: CurrentAdmin, prediction_id: UUID) -> Response:
    """A prediction with input and output, and whose it is."""
    return await _shown(components_of(request), current, prediction_id)


@router.post(
    "/predictions/{prediction_id}/cancel",
    summary="Cancel a prediction of anyone",
    response_model=AdminPredictionWithTexts,
    responses=problems(*BODY_REFUSED, *REFUSALS, InvalidInput, NotFound, AlreadyFinished, TooManyRequests, Overloaded),
)
async def cancel_prediction(
    request: Request, current: CurrentAdmin, prediction_id: UUID, asked: Cancellation
) -> Response:
    """Cancel an unfinished prediction; its user's credits come back at once. Canceling twice is no error."""
    components = components_of(request)
    async with components.database.begin() as session:
        canceled = await admin_predictions.cancel(session, current, prediction_id, reason=asked.reason)
    components.live_answers.look(prediction_id)
    components.live_changes.tell([canceled.user_id])
    return await _shown(components, current, prediction_id)


async def _shown(components: AppComponents, current: Admin, prediction_id: UUID) -> Response:
    async with components.database.autocommit() as session:
        found, owner = await admin_predictions.shown(session, prediction_id)
    body = {**prediction_json.shown(found), "user_id": found.user_id, "username": owner}
    response = Response(msgspec.json.encode(body), media_type="application/json")
    return response if current.id is None else components.answers_in_flight.answer(current.id, response)
