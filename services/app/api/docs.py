"""What the documentation of the API says beside its routes."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ml_service.domain.errors import InvalidInput
from services.app.api.links import add_links
from services.app.api.problems import Problem, problems

SUMMARY = "Predictions by queue and credits."
DESCRIPTION = """
Register (or press **Authorize** with `test` / `test` in demo mode), ask for a prediction, fetch its answer.

- `POST /predictions/predict` answers 202 with an id once the request is accepted and its price is held;
  `GET /predictions/{prediction_id}` has the answer a moment later. `Prefer: wait=5` waits for it instead.
- Programs send an API key (`POST /api-keys`) as `Authorization: Bearer mls_…` or `X-API-Key`, never in an address.
- Every error is `application/problem+json` (RFC 9457) with a stable `code` and a `request_id`.
- A query parameter that a route does not have, or one that is given twice without being a list, is answered 422.
- `Idempotency-Key` makes a repeated request harmless.
- Where requests are counted, `RateLimit-Policy` says how many may come in how many seconds (`q`, `w`), and `RateLimit`
  how many are left, until when (`r`, `t`): draft-ietf-httpapi-ratelimit-headers-10. 429 and 503 have `Retry-After`.
- Credits are whole numbers. A prediction's price is held when it is accepted, taken when it succeeds, and given back
  when it fails, expires or is canceled.
"""
TAGS = [
    {"name": "predictions", "description": "Ask, look, cancel."},
    {"name": "bulk", "description": "Files of many lines."},
    {"name": "users", "description": "Register, sign in, sign out."},
    {
        "name": "api-keys",
        "description": "Keys for programs: scopes, spend caps, rate limits. Only for people who are signed in.",
    },
    {"name": "credits", "description": "What is there, and where it went."},
    {"name": "models", "description": "What can be asked."},
    {"name": "webhooks", "description": "Be told of answers: Standard Webhooks, with a log of what was sent."},
    {"name": "admin", "description": "For admins: look at everything, and change it. Every change is logged."},
    {"name": "health", "description": "For those who run it."},
]


def register(app: FastAPI) -> None:
    """Make ``app`` describe itself at `/openapi.json`, which `/docs` shows."""
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]  # FastAPI's own way to extend it


def _openapi(app: FastAPI) -> dict[str, object]:
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            tags=app.openapi_tags,
            servers=app.servers,
            routes=app.routes,
        )
        # Named by `problems()`, which cannot use a response model: that would say application/json.
        named = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schema["components"]["schemas"] |= {**named.pop("$defs"), "Problem": named}
        # Any route, for a query that it does not take.
        refused = problems(InvalidInput)[HTTPStatus.UNPROCESSABLE_ENTITY]
        for path in schema["paths"].values():
            for operation in path.values():
                operation["responses"].setdefault(str(HTTPStatus.UNPROCESSABLE_ENTITY.value), refused)
        add_links(schema["paths"])
        app.openapi_schema = schema
    return app.openapi_schema
