"""All that happens to a user's predictions and credits, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, replace

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from ml_service.domain.errors import (
    DatabaseUnavailable,
    InvalidInput,
    Overloaded,
    TooManyRequests,
)
from ml_service.storage.changes import Open, Position, read_position
from ml_service.usecases.users import unauthenticated
from services.app.api import prediction_json
from services.app.api.event_stream import RETRY, STILL_HERE, EventStream, event, held
from services.app.api.last_event import LastEventId
from services.app.api.problems import KEYED, problems
from services.app.api.query import KnownQueryRoute
from services.app.api.schemas.bulk import ShownBulkJob
from services.app.auth.principal import Reader
from services.app.components import AppComponents, components_of
from services.app.live_changes import Follower

HEARTBEAT_S = 15.0
"""Proxies close a connection that is silent for a minute or half of one."""
STREAM_S_MAX = 600.0
"""A stream ends after this and the client connects again: a token does not last forever either."""
AWAY_S = 1.0
"""Until the database is asked again."""

router = APIRouter(tags=["predictions"], route_class=KnownQueryRoute)


@dataclass(slots=True)
class _Stream:
    components: AppComponents
    follower: Follower
    position: Position


@router.get(
    "/events",
    summary="Follow all predictions and the balance",
    response_class=StreamingResponse,
    response_model=None,
    responses={
        200: {
            "description": "`event: snapshot` with `balance`, `held`, `open` (the newest unfinished predictions), "
            "`open_count`, and `bulk` (unfinished bulk jobs, whose lines are not among them); or, with a "
            "`Last-Event-ID` that is of use, what has changed since. Then `event: prediction` with a prediction, "
            "`event: bulk` with a bulk job, and `event: balance` with `balance` and `held`, at each change; each with "
            "an `id`.",
            "content": {"text/event-stream": {"schema": {}}},
        },
        **problems(*KEYED, InvalidInput, Overloaded, DatabaseUnavailable),
    },
)
async def events(request: Request, current: Reader, last_event_id: LastEventId = None) -> Response:
    """Follow all of one's predictions and the balance (server-sent events), whatever way it was asked for.

    A prediction comes in its latest state: of what changes fast, or while a reader is slow, states in between may be
    left out, but never the last one. With `Last-Event-ID` nothing is missed and nothing comes twice, whatever was
    restarted meanwhile. The stream ends with the sign-in or the API key, and after ten minutes: connect again then.
    """
    components = components_of(request)
    follower = Follower(current.principal)
    position = read_position(last_event_id) if last_event_id else None
    first = RETRY
    if position is None or not await components.live_changes.can_resume(follower.user_id, position):
        begun = await components.live_changes.begin(follower.user_id)
        if begun is None:
            raise unauthenticated()
        opened, position = begun
        first += _snapshot(opened, position)
    stream = EventStream(_events(_Stream(components, follower, position), first), follower.end)
    return components.streams_in_flight.stream(follower.user_id, stream)


async def _events(stream: _Stream, first: bytes) -> AsyncGenerator[bytes]:
    loop = asyncio.get_running_loop()
    end = loop.time() + STREAM_S_MAX
    follower = stream.follower
    # Refused for its size, the stream ends, and the client may come again.
    with stream.components.live_changes.follow(follower), suppress(TooManyRequests, Overloaded):
        with held(stream.components, follower.user_id, first):
            yield first
        del first
        has_more = False
        while loop.time() < end and not follower.is_ended:
            if not has_more and not await follower.wait(HEARTBEAT_S):
                if not follower.is_ended:
                    yield STILL_HERE
                continue
            try:
                found, has_more = await _read(stream)
            except DatabaseUnavailable:
                await asyncio.sleep(AWAY_S)
                follower.tell()
                continue
            if found:
                with held(stream.components, follower.user_id, found):
                    yield found


async def _read(stream: _Stream) -> tuple[bytes, bool]:
    """The events of some changes, and whether there are more to read; moves the stream's position on."""
    read = await stream.components.live_changes.read(stream.follower.user_id, stream.position)
    if read is None:
        stream.follower.end()
        return b"", False
    found, following, has_more = read
    before = stream.position
    # Only the last event carries the position after all of them: a client cut off earlier gets the rest.
    at = replace(before, until=before.until or found.snapshot)
    told: list[tuple[bytes, bytes, Position]] = []
    for prediction in found.predictions:
        at = replace(at, after=prediction.id)
        told.append((b"prediction", prediction_json.encode(prediction), at))
    if not found.is_cut and (found.balance, found.held) != (before.balance, before.held):
        at = replace(at, balance=found.balance, held=found.held)
        told.append((b"balance", prediction_json.encode_json({"balance": found.balance, "held": found.held}), at))
    for job in found.jobs:
        at = replace(at, job=job.id)
        told.append((b"bulk", ShownBulkJob.of(job).model_dump_json().encode(), at))
    told[-1:] = [(name, data, following) for name, data, _ in told[-1:]]
    stream.position = following
    return b"".join(event(name, data, str(position)) for name, data, position in told), has_more


def _snapshot(opened: Open, position: Position) -> bytes:
    body = {
        "balance": opened.balance,
        "held": opened.held,
        "open": [prediction_json.shown(prediction) for prediction in opened.predictions],
        "open_count": opened.count,
        "bulk": [ShownBulkJob.of(job).model_dump(mode="json") for job in opened.jobs],
    }
    return event(b"snapshot", prediction_json.encode_json(body), str(position))
