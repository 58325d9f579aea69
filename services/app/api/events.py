"""A prediction's progress as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from ml_service.domain.errors import (
    DatabaseUnavailable,
    InvalidInput,
    NotFound,
    Overloaded,
    TooManyRequests,
)
from ml_service.domain.predictions import Prediction, Status
from ml_service.usecases import predictions
from ml_service.usecases.estimates import PlaceInQueue
from services.app.api import prediction_json
from services.app.api.event_stream import RETRY, STILL_HERE, event, held
from services.app.api.last_event import LastEventId
from services.app.api.problems import KEYED, problems
from services.app.api.query import KnownQueryRoute
from services.app.auth.callers import Caller
from services.app.auth.principal import Reader, is_active
from services.app.components import AppComponents, components_of

HEARTBEAT_S = 15.0
"""Proxies close a connection that is silent for a minute or half of one."""
PLACE_S = 1.0
"""How often it is looked where a queued prediction stands."""
CHECK_S = 1.0
"""How old the last look at the session may be when an event or a heartbeat is sent."""
STREAM_S_MAX = 600.0
"""A stream ends after this and the client connects again: a token does not last forever either."""

router = APIRouter(tags=["predictions"], route_class=KnownQueryRoute)


@router.get(
    "/predictions/{prediction_id}/events",
    summary="Follow a prediction",
    response_class=StreamingResponse,
    response_model=None,
    responses={
        200: {
            "description": "`event: status` with the prediction as `data`, at once and at each change, until it ends. "
            "While it is queued, `event: queue` with `position` (1 is the next one) and `estimated_s` (or null), at "
            "each change; not for items of batches, which wait in turns over users. Each with an `id`.",
            "content": {"text/event-stream": {"schema": {}}},
        },
        **problems(*KEYED, NotFound, InvalidInput, Overloaded, DatabaseUnavailable),
    },
)
async def events(request: Request, current: Reader, prediction_id: UUID, last_event_id: LastEventId = None) -> Response:
    """Follow one prediction (server-sent events). It ends with the prediction, the sign-in or the API key.

    With `Last-Event-ID` a state that was received is not told again.
    """
    components = components_of(request)
    async with components.database.autocommit() as session:
        await predictions.get(session, current.user.id, prediction_id)
    stream = StreamingResponse(
        _stream(components, current, prediction_id, last_event_id),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},  # nginx hands each event on at once
    )
    return components.streams_in_flight.stream(current.user.id, stream)


async def _stream(
    components: AppComponents, caller: Caller, prediction_id: UUID, last_event_id: str | None
) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    end = loop.time() + STREAM_S_MAX
    yield RETRY
    checked_at = sent_at = loop.time()
    now: Prediction | None = None
    place: PlaceInQueue | None = None
    # Without room for a large event the stream ends, and the client comes again.
    with components.live_answers.watch(prediction_id) as watch, suppress(TooManyRequests, Overloaded):
        while loop.time() < end and not watch.ended:
            changed = await watch.change(min(PLACE_S, HEARTBEAT_S) if _is_in_line(now) else HEARTBEAT_S)
            if loop.time() - checked_at >= CHECK_S:
                if not await _is_welcome(components, caller):
                    return
                checked_at = loop.time()
            pieces = []
            if changed is not None:
                now = changed
                if changed.is_terminal or _id_of(changed) != last_event_id:
                    pieces.append(event(b"status", prediction_json.encode(changed), _id_of(changed)))
            if now is not None and _is_in_line(now) and (found := await _place(components, now)) != place:
                place = found
                pieces.append(event(b"queue", prediction_json.encode_json(place), _id_of(now)))
            if pieces or loop.time() - sent_at >= HEARTBEAT_S:
                piece = b"".join(pieces) or STILL_HERE
                with held(components, caller.user.id, piece):
                    yield piece
                sent_at = loop.time()
            if changed is not None and changed.is_terminal:
                return


def _is_in_line(prediction: Prediction | None) -> bool:
    return prediction is not None and prediction.status is Status.QUEUED and prediction.batch_id is None


async def _place(components: AppComponents, prediction: Prediction) -> PlaceInQueue | None:
    """Where it stands, as far as the database can say."""
    try:
        return await components.estimates.place(prediction)
    except DatabaseUnavailable:
        return None


def _id_of(prediction: Prediction) -> str:
    """Names a state of a prediction: with each attempt it may be queued and processed again."""
    return f"{prediction.attempts}-{prediction.status}"


async def _is_welcome(components: AppComponents, caller: Caller) -> bool:
    """Whether the sign-in or the API key goes on, as far as the database can say."""
    try:
        return await is_active(components, caller)
    except DatabaseUnavailable:
        return True  # the next look is soon
