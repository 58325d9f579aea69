"""Bodies that are read as they come, past the BodyGuard: bounded in bytes, in time, and in how slow they may be."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from http import HTTPStatus

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect

SILENCE_S = 20.0
"""Seconds without a byte, and what a slow sender has before its speed counts."""
STREAMED = frozenset({("POST", "/bulk")})
"""What the BodyGuard lets through."""


def too_large(bytes_max: int) -> str:
    """What a sender is told whose body is too large."""
    return f"The body may have {bytes_max:,} bytes at most."


async def pieces(request: Request, *, bytes_max: int, bytes_per_s_min: int, seconds_max: float) -> AsyncIterator[bytes]:
    """The body, piece by piece. Only time that is spent on waiting for the sender counts.

    Raises:
        HTTPException: 413 where it is too large, 408 where it is too slow.
        ClientDisconnect: The sender has gone.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared[:20]) > bytes_max:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large(bytes_max))
    size, waited_s, began_s = 0, 0.0, time.monotonic()
    while True:
        asked_s = time.monotonic()
        try:
            async with asyncio.timeout(SILENCE_S):
                message = await request.receive()
        except TimeoutError:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT) from None
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        piece: bytes = message.get("body", b"")
        size += len(piece)
        waited_s += time.monotonic() - asked_s
        if size > bytes_max:
            raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large(bytes_max))
        if waited_s > SILENCE_S + size / bytes_per_s_min or time.monotonic() - began_s > seconds_max:
            raise HTTPException(HTTPStatus.REQUEST_TIMEOUT)
        if piece:
            yield piece
        if not message.get("more_body", False):
            return
