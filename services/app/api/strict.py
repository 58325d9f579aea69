"""Routes whose JSON bodies are parsed strictly, by `services/app/bodies.py`."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any

from fastapi import HTTPException, Request, Response
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


def _is_json(request: Request) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "application/json"


class StrictRoute(APIRoute):
    """A route that gets a StrictRequest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def handle_strictly(request: Request) -> Response:
            if takes_body and not _is_json(request):
                raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly
