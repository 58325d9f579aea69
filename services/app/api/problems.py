"""Errors as problem+json (RFC 9457). STATUSES is the one table that maps an error's class to its HTTP status."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ml_service.domain import errors
from ml_service.domain.errors import ServiceError

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:ml-service:problem:"
ERRORS_MAX = 20
MESSAGE_LENGTH_MAX = 300

STATUSES: dict[type[ServiceError], HTTPStatus] = {
    errors.InvalidInput: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    errors.WrongCredentials: HTTPStatus.UNAUTHORIZED,
    errors.PermissionDenied: HTTPStatus.FORBIDDEN,
    errors.Forbidden: HTTPStatus.FORBIDDEN,
    errors.Blocked: HTTPStatus.FORBIDDEN,
    errors.ScopeMissing: HTTPStatus.FORBIDDEN,
    errors.ModelNotAllowed: HTTPStatus.FORBIDDEN,
    errors.KeyCapExceeded: HTTPStatus.PAYMENT_REQUIRED,
    errors.MaxCreditsExceeded: HTTPStatus.PAYMENT_REQUIRED,
    errors.InsufficientCredits: HTTPStatus.PAYMENT_REQUIRED,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.ModelNotFound: HTTPStatus.NOT_FOUND,
    errors.ModelDisabled: HTTPStatus.CONFLICT,
    errors.UsernameTaken: HTTPStatus.CONFLICT,
    errors.LastAdmin: HTTPStatus.CONFLICT,
    errors.AccountDeleted: HTTPStatus.CONFLICT,
    errors.AlreadyFinished: HTTPStatus.CONFLICT,
    errors.IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TooManyQueued: HTTPStatus.TOO_MANY_REQUESTS,
    errors.TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Overloaded: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DatabaseUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.QueueUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}

# What HTTP itself refuses, before a use case is asked.
HTTP_CODES: dict[HTTPStatus, str] = {
    HTTPStatus.BAD_REQUEST: "bad_request",
    HTTPStatus.FORBIDDEN: "cross_origin",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_TIMEOUT: "request_timeout",
    HTTPStatus.TOO_MANY_REQUESTS: "too_many_requests",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "payload_too_large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "unsupported_media_type",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "headers_too_large",
    HTTPStatus.INTERNAL_SERVER_ERROR: "internal_error",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
    HTTPStatus.HTTP_VERSION_NOT_SUPPORTED: "http_version_not_supported",
}
BODY_REFUSED = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
)
"""What any route that takes a body may answer before it is asked; for `problems()`."""
SIGNED_IN = (errors.Unauthenticated, errors.ScopeMissing)
"""What a route for people who are signed in answers to everybody else."""
KEYED = (*SIGNED_IN, errors.Blocked, errors.TooManyRequests)
"""What a route that API keys may use answers to those that may not."""


class FieldError(BaseModel):
    """One thing that is wrong with what was sent."""

    location: str = Field(examples=["body.input.text"])
    message: str = Field(examples=["Field required"])


class Problem(BaseModel):
    """An error (RFC 9457). Programs go by `code`; support asks for `request_id`."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=[f"{TYPE_PREFIX}insufficient_credits"])
    title: str = Field(examples=["Payment Required"])
    status: int = Field(examples=[402])
    detail: str = Field(examples=["This costs 5 credits, and the balance is 2."])
    code: str = Field(examples=["insufficient_credits"])
    request_id: str = Field(examples=["0192d0f3a1b27c3d8e4f5a6b7c8d9e0f"])
    errors: list[FieldError] | None = Field(default=None, description="What is wrong where, for `invalid_input`.")
    balance: int | None = Field(default=None, description="Credits, for `insufficient_credits`.")
    missing: int | None = Field(default=None, description="Credits, for `insufficient_credits` of a bulk job.")
    cost: int | None = Field(default=None, description="Credits, for all that is answered by 402.")
    cap_left: int | None = Field(default=None, description="Credits, for `key_cap_exceeded`.")
    max_credits: int | None = Field(default=None, description="As it was sent, for `max_credits_exceeded`.")


def problem(
    status: HTTPStatus,
    code: str,
    detail: str,
    request_id: str,
    *,
    retry_after_s: float | None = None,
    **more: Any,
) -> Response:
    """An error as a response; ``more`` are members of its own, for programs."""
    body = {
        "type": TYPE_PREFIX + code,
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "code": code,
        "request_id": request_id,
        **more,
    }
    headers = {}
    if retry_after_s is not None:
        headers["Retry-After"] = str(max(1, math.ceil(retry_after_s)))
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(_encode(body), status.value, headers, MEDIA_TYPE)


def _encode(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:  # a lone surrogate, or an integer beyond 64 bits, on its way back to its sender
        return json.dumps(body).encode()


def problems(*raised: type[ServiceError] | HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The ``responses=`` of a route: every error that it may answer with, by its class, or by what HTTP calls it."""
    by_status: dict[HTTPStatus, dict[str, str]] = {}  # status → code → summary
    for error in raised:
        if isinstance(error, HTTPStatus):
            by_status.setdefault(error, {})[HTTP_CODES[error]] = f"{error.description or error.phrase}."
        else:
            by_status.setdefault(STATUSES[error], {})[error.code] = (error.__doc__ or "").partition("\n")[0]
    return {status.value: _declaration(status, codes) for status, codes in sorted(by_status.items())}


def _declaration(status: HTTPStatus, codes: dict[str, str]) -> dict[str, Any]:
    examples = {
        code: {
            "summary": summary,
            "value": {
                "type": TYPE_PREFIX + code,
                "title": status.phrase,
                "status": status.value,
                "detail": summary,
                "code": code,
                "request_id": "0192d0f3a1b27c3d8e4f5a6b7c8d9e0f",
            },
        }
        for code, summary in codes.items()
    }
    declared: dict[str, Any] = {
        "description": " · ".join(f"`{code}`: {summary}" for code, summary in codes.items()),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
    }
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        seconds = {"type": "integer", "minimum": 1}
        declared["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": seconds}}
    if status is HTTPStatus.UNAUTHORIZED:
        declared["headers"] = {"WWW-Authenticate": {"description": "`Bearer`", "schema": {"type": "string"}}}
    return declared


def request_id_of(request: Request) -> str:
    """The id that the middleware gave this request."""
    return str(request.scope.get("request_id", ""))


def service_error(request: Request, error: Exception) -> Response:
    """The answer to a ServiceError."""
    assert isinstance(error, ServiceError)  # noqa: S101  registered for this class
    return problem(
        STATUSES[type(error)],
        error.code,
        error.message,
        request_id_of(request),
        retry_after_s=error.retry_after_s,
        **error.details,
    )


def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  registered for this class
    # Never the input itself: it may be a password, or text that cannot be encoded.
    found = [{"location": _location(one), "message": _message(one)} for one in error.errors()[:ERRORS_MAX]]
    detail = f"{found[0]['location']}: {found[0]['message']}" if len(found) == 1 else "The request is not valid."
    code = errors.InvalidInput.code
    return problem(STATUSES[errors.InvalidInput], code, detail, request_id_of(request), errors=found)


def _location(one: dict[str, Any]) -> str:
    place = one["loc"][:1] if one["type"] == "json_invalid" else one["loc"]
    return ".".join(map(str, place))[:MESSAGE_LENGTH_MAX]


def _message(one: dict[str, Any]) -> str:
    if one["type"] == "json_invalid":
        return f"This is not valid JSON: {one['ctx']['error']}."
    if one["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        return "Input should be an object"  # and no Python class
    if one["type"] == "extra_forbidden" and one["msg"] == "Extra inputs are not permitted":
        return "There is no field of this name."
    return str(one["msg"]).removeprefix("Value error, ")[:MESSAGE_LENGTH_MAX]


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  registered for this class
    status = HTTPStatus(error.status_code)
    code = HTTP_CODES.get(status, "http_error")
    detail = status.description or status.phrase
    if status is HTTPStatus.UNSUPPORTED_MEDIA_TYPE:
        detail = error.detail if error.detail != status.phrase else "Send the body as Content-Type: application/json."
    if status in {HTTPStatus.FORBIDDEN, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}:
        detail = error.detail
    if status is HTTPStatus.NOT_FOUND:
        detail = "There is nothing at this address; /docs shows what there is."
    response = problem(status, code, detail, request_id_of(request))
    response.headers.update(error.headers or {})
    allowed = response.headers.get("allow", "").split(", ")
    if "GET" in allowed:  # `edge.Head` answers HEAD wherever there is GET
        response.headers["allow"] = ", ".join(sorted({*allowed, "HEAD"}))
    return response


def _unforeseen(request: Request, _error: Exception) -> Response:
    """The error is in the log (edge.py); the client gets no detail."""
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return problem(status, HTTP_CODES[status], status.description, request_id_of(request))


_HANDLERS: dict[type[Exception], Callable[[Request, Exception], Response]] = {
    ServiceError: service_error,
    RequestValidationError: _validation_error,
    HTTPException: _http_error,
}
ANSWERED = tuple(_HANDLERS)
"""The errors that `answer` takes: all that are foreseen."""


def answer(request: Request, error: Exception) -> Response:
    """The problem that an error is answered with."""
    return next(handler for kind, handler in _HANDLERS.items() if isinstance(error, kind))(request, error)


def register(app: FastAPI) -> None:
    """Make ``app`` answer every error as a problem."""
    app.add_exception_handler(Exception, _unforeseen)
    for kind, handler in _HANDLERS.items():
        app.add_exception_handler(kind, handler)
