"""A prediction's way as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from ml_service.domain.errors import DatabaseUnavailable, InvalidInput, NotFound, Unauthenticated
from ml_service.domain.predictions import Prediction
from ml_service.usecases import predictions
from services.app.api import answers
from services.app.api.auth import CurrentUser
from services.app.api.problems import problems
from services.app.live import LiveAnswers
from services.app.parts import parts_of

HEARTBEAT_S = 15.0
"""Proxies close a connection that is silent for a minute or half of one."""
STREAM_S_MAX = 600.0
"""A stream ends after this and the client connects again: a token is not good for ever either."""

router = APIRouter(tags=["predictions"])


@router.get(
    "/predictions/{prediction_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "`event: status` with the prediction as `data`, at once and at each change, until it ends.",
            "content": {"text/event-stream": {"schema": {}}},
        },
        **problems(Unauthenticated, NotFound, InvalidInput, DatabaseUnavailable),
    },
)
async def events(request: Request, current: CurrentUser, prediction_id: UUID) -> StreamingResponse:
    """Follow one prediction (server-sent events). The stream ends when the prediction has."""
    parts = parts_of(request)
    async with parts.database.autocommit() as session:
        await predictions.get(session, current.user.id, prediction_id)
    return StreamingResponse(
        _stream(parts.live, prediction_id),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},  # nginx hands each event on at once
    )


async def _stream(live: LiveAnswers, prediction_id: UUID) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    end = loop.time() + STREAM_S_MAX
    yield b"retry: 1000\n\n"
    with live.watch(prediction_id) as watch:
        while loop.time() < end and not watch.ended:
            changed = await watch.change(HEARTBEAT_S)
            if changed is None:
                yield b": still here\n\n"
                continue
            yield _event(changed)
            if changed.is_terminal:
                return


def _event(prediction: Prediction) -> bytes:
    return b"event: status\ndata: " + answers.encode(prediction) + b"\n\n"
