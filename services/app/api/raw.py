"""Routes whose function gets the bare request. docs/decisions/0009-raw-routes.md"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from fastapi import Depends, HTTPException, Request, Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from ml_service.domain import credentials
from services.app.api.problems import ANSWERED, answer
from services.app.api.query import refuse_query
from services.app.auth.principal import check


class RawRoute(APIRoute):
    """A POST that FastAPI documents and does not serve: its dependencies and validation would double the CPU time.

    Args:
        documented: A function whose signature declares what the route takes. It is never called.
        options: Of FastAPI's `APIRoute`.
    """

    def __init__(
        self,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        *,
        documented: Callable[..., None],
        **options: Any,
    ) -> None:
        super().__init__(path, endpoint, methods=["POST"], dependencies=[Depends(documented)], **options)

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request of any method. It comes here by its path, past the router (`App` in `wiring.py`)."""
        scope["route"] = self
        request = Request(scope, receive)
        try:
            if scope["method"] != "POST":
                raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
            if scope["query_string"]:
                await check(request, credentials.Scope.PREDICT)  # 401 comes before 422
                refuse_query(scope)
            await (await self.endpoint(request))(scope, receive, send)
        except ANSWERED as error:  # nothing is sent yet: `in_flight.Held` refuses before it begins
            await answer(request, error)(scope, receive, send)
