"""Server-sent events as a response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, nullcontext
from uuid import UUID

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.app.components import AppComponents
from services.app.in_flight import SMALL_BYTES

RETRY = b"retry: 1000\n\n"
STILL_HERE = b": still here\n\n"


def event(name: bytes, data: bytes, event_id: str = "") -> bytes:
    """One event. ``data`` is JSON, in which a line break can only be a space between two tokens."""
    head = b"id: " + event_id.encode() + b"\n" if event_id else b""
    one_line = data.replace(b"\r", b" ").replace(b"\n", b" ")
    return head + b"event: " + name + b"\ndata: " + one_line + b"\n\n"


def held(components: AppComponents, user_id: UUID, piece: bytes) -> AbstractContextManager[None]:
    """Counts a large piece while it is sent; raises TooManyRequests, Overloaded."""
    return components.answers_in_flight.hold(user_id, len(piece)) if len(piece) >= SMALL_BYTES else nullcontext()


class EventStream(Response):
    """A stream of events, in one task and another that waits for the client to go: thousands of them are open.

    Args:
        events: Sent as they come; the next one is asked for when the client has taken most of what was sent.
        on_gone: Called when the client has gone; must make ``events`` end.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes], on_gone: Callable[[], None]) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})  # nginx hands each event on at once
        del self.headers["content-length"]
        self._events = events
        self._on_gone = on_gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  ASGI's signature
        """Send it."""
        watcher = asyncio.create_task(self._watch(receive))
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for piece in self._events:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            await self._events.aclose()
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._on_gone()
