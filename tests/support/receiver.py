"""A receiver of webhooks, in all the ways in which one can behave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from tests.support.waiting import PATIENCE_S


@dataclass
class Received:
    """One message as it came."""

    path: str
    headers: dict[str, str]
    raw: bytes
    at: float = field(default_factory=monotonic)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found

    def verified(self, secret: str) -> dict[str, Any]:
        """The body, if a signature of Standard Webhooks' own library fits; raises where none does."""
        found: dict[str, Any] = Webhook(secret).verify(self.raw, self.headers)
        return found


class HookReceiver:
    """Answers by the path: `/ok`, `/500`, `/hang`, `/slow`, `/huge`, `/redirect`, `/gone`, `/close`, `/busy`, `/drip`.

    Anything else is answered by ``answers``, in turn, and then by 204.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[int] = []
        self.port = 0
        self.released = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def of(self, path: str) -> list[Received]:
        return [one for one in self.received if one.path == path]

    async def wait_for(self, count: int, path: str | None = None, seconds: float = PATIENCE_S) -> list[Received]:
        """The messages, when there are so many."""
        async with asyncio.timeout(seconds):
            while len(found := self.received if path is None else self.of(path)) < count:
                await asyncio.sleep(0.01)
        return found

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:  # noqa: PLR0911  a line for each way
        """Answer one message."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path, headers, await request.read()))
        match request.path:
            case "/500":
                return web.Response(status=500, text="out of order\x00 \N{SNOWMAN}")
            case "/hang":
                await self.released.wait()
            case "/slow":
                await asyncio.sleep(0.7)
            case "/huge":
                return await self._huge(request)
            case "/drip":
                response = web.StreamResponse()
                await response.prepare(request)
                await self.released.wait()
                return response
            case "/redirect":
                return web.Response(status=307, headers={"Location": f"{self.url}/ok"})
            case "/gone":
                return web.Response(status=410)
            case "/busy":
                return web.Response(status=503, headers={"Retry-After": "77"})
            case "/close":
                assert request.transport is not None
                request.transport.abort()
        return web.Response(status=self.answers.pop(0) if self.answers and request.path != "/ok" else 204)

    async def _huge(self, request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    @asynccontextmanager
    async def listening(self, port: int = 0) -> AsyncIterator[HookReceiver]:
        """Listen meanwhile."""
        runner = web.ServerRunner(web.Server(self.handle), shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        self.port = runner.addresses[0][1]
        try:
            yield self
        finally:
            self.released.set()
            await runner.cleanup()
