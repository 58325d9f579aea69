"""The interactive documentation, without a byte from elsewhere, and the way there."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from services.app.api.problems import Problem

FILES = Path(__file__).parent.parent / "web" / "docs"

SUMMARY = "Predictions by queue and credits."
DESCRIPTION = """
Register (or press **Authorize** with `test` / `test` in demo mode), ask for a prediction, fetch its answer.

- `POST /predictions/predict` answers 202 with an id once the request is accepted and paid for;
  `GET /predictions/{prediction_id}` has the answer a moment later. `Prefer: wait=5` waits for it instead.
- Every error is `application/problem+json` (RFC 9457) with a stable `code` and a `request_id`.
- `Idempotency-Key` makes a repeated request harmless.
- Credits are whole numbers. A prediction's price is held when it is accepted, taken when it succeeds, and given back
  when it fails, expires or is canceled.
"""
TAGS = [
    {"name": "predictions", "description": "Ask, look, cancel."},
    {"name": "users", "description": "Register, sign in, sign out."},
    {"name": "credits", "description": "What is there, and where it went."},
    {"name": "models", "description": "What can be asked."},
    {"name": "health", "description": "For those who run it."},
]


async def _page(_request: Request) -> Response:
    return FileResponse(FILES / "index.html", media_type="text/html")


async def _to_docs(_request: Request) -> Response:
    return RedirectResponse("docs", status_code=307)


def register(app: FastAPI) -> None:
    """Add `/docs`, its files, and `/`, which leads there until there is a page."""
    app.router.routes += [
        Route("/", _to_docs, include_in_schema=False),
        Route("/docs", _page, include_in_schema=False),
        Mount("/docs/files", StaticFiles(directory=FILES), name="docs"),
    ]
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _openapi(app: FastAPI) -> dict[str, object]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            tags=app.openapi_tags,
            routes=app.routes,
        )
        # Named by `problems()`, which cannot use a response model: that would say application/json.
        named = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schema["components"]["schemas"] |= {**named.pop("$defs"), "Problem": named}
        app.openapi_schema = schema
    return app.openapi_schema
