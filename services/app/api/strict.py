"""Routes whose JSON bodies are parsed strictly, by `services/app/bodies.py`."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from services.app import bodies


class StrictRequest(Request):
    """A request whose ``json()`` refuses what parsers disagree about."""

    async def json(self) -> Any:
        """The body's value; raises json.JSONDecodeError, without a word of the body in it."""
        try:
            return bodies.parse(await self.body())
        except ValueError as error:
            raise json.JSONDecodeError(str(error), "", 0) from None


class StrictRoute(APIRoute):
    """A route that gets a StrictRequest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly
