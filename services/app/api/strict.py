"""JSON bodies: parsed strictly by `services/app/http/bodies.py`, with every field known."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterable, Iterator
from functools import cache, partial
from http import HTTPStatus
from itertools import islice
from typing import Any, NamedTuple, TypeVar, get_args, get_origin

from fastapi import HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from ml_service.platform.nearest import meant
from services.app.api.problems import ERRORS_MAX
from services.app.api.query import KnownQueryRoute, sign_in_of
from services.app.http import bodies
from services.app.http.uploads import too_large

Body = TypeVar("Body", bound=BaseModel)


async def read_body(request: Request, model: type[Body]) -> Body:
    """The body as ``model``.

    Raises:
        HTTPException: It is not sent as JSON.
        RequestValidationError: It is not JSON, or does not fit.
    """
    return await _read(request, partial(_validated, model))


async def read_one_of(request: Request, choose: Callable[[Any], type[Body]]) -> Body:
    """The body as the model that ``choose`` takes for its value; raises as `read_body`."""
    return await _read(request, lambda value: _validated(choose(value), value))


async def _read(request: Request, validated: Callable[[Any], Body]) -> Body:
    _refuse_other_media_types(request)
    try:
        return await bodies.parse_aside(await _body(request), validated)
    except ValueError as error:
        found = [{"type": "json_invalid", "loc": ("body",), "msg": "", "ctx": {"error": str(error)}}]
        raise RequestValidationError(found) from None


async def _body(request: Request) -> bytes:
    """The body, which the BodyGuard gives in one piece."""
    message = await request.receive()
    if message["type"] != "http.request":
        raise ClientDisconnect
    body: bytes = message["body"]
    return body


def _validated(model: type[Body], value: Any) -> Body:
    try:
        return model.model_validate(_cut(model, value))
    except ValidationError as error:
        found = []
        for one in _errors(model, value, error)[:ERRORS_MAX]:
            message = _unknown_field(model, one["loc"]) if one["type"] == "extra_forbidden" else one["msg"]
            found.append({**one, "loc": ("body", *one["loc"]), "msg": message})
        raise RequestValidationError(found) from None


class _Shape(NamedTuple):
    """How many fields a model has, and which of them are a model or a list of models."""

    fields: int
    objects: tuple[tuple[str, type[BaseModel]], ...]
    lists: tuple[tuple[str, type[BaseModel]], ...]


@cache
def _shape(model: type[BaseModel]) -> _Shape:
    objects: list[tuple[str, type[BaseModel]]] = []
    lists: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        if any(hasattr(one, "model_fields") for one in (field.annotation, *get_args(field.annotation))):
            of_many = get_origin(field.annotation) is list
            (lists if of_many else objects).append((name, _model_in(field.annotation)))
    return _Shape(len(model.model_fields), tuple(objects), tuple(lists))


def _cut(model: type[BaseModel], value: Any) -> Any:
    """``value`` without most of its unknown fields: pydantic keeps the interpreter until it has told each of them."""
    if type(value) is not dict:
        return value
    fields, objects, lists = _shape(model)
    if len(value) > fields:
        known = model.model_fields
        unknown = islice((name for name in value if name not in known), ERRORS_MAX)
        value = {name: value[name] for name in (*(name for name in known if name in value), *unknown)}
    for name, inner in objects:
        if type(one := value.get(name)) is dict and len(one) > _shape(inner).fields:
            value = {**value, name: _cut(inner, one)}
    for name, inner in lists:
        if type(many := value.get(name)) is list:
            fields_max = _shape(inner).fields
            if any(len(one) > fields_max for one in many if type(one) is dict):
                value = {**value, name: [_cut(inner, one) for one in many]}
    return value


def _errors(model: type[BaseModel], value: Any, error: ValidationError) -> list[Any]:
    """What is wrong. Of a list of models pydantic has told of the first one that is wrong: `FailFast` in its type."""
    found: list[Any] = error.errors(include_url=False, include_input=False)
    for name, inner in _shape(model).lists:
        places = [place for place, one in enumerate(found) if one["loc"][:1] == (name,) and len(one["loc"]) > 1]
        if places:
            last = places[-1] + 1
            number = found[places[-1]]["loc"][1]
            found[last:last] = islice(_errors_after(name, inner, value[name], number), ERRORS_MAX)
    return found


def _errors_after(name: str, inner: type[BaseModel], many: list[Any], number: int) -> Iterator[Any]:
    """What is wrong with the items that follow the one of this number, item by item."""
    for place in range(number + 1, len(many)):
        try:
            inner.model_validate(_cut(inner, many[place]))
        except ValidationError as error:
            for one in error.errors(include_url=False, include_input=False):
                yield {**one, "loc": (name, place, *one["loc"])}


def _unknown_field(model: type[BaseModel], location: Iterable[int | str]) -> str:
    """What is said of a field that ``model``, or a model of a list in it, does not have."""
    *path, name = location
    fields = model.model_fields
    for step in path:
        if isinstance(step, str):
            fields = _model_in(fields[step].annotation).model_fields
    return f"There is no field of this name{meant(str(name), fields) or '.'}"


def _model_in(annotation: Any) -> type[BaseModel]:
    """The model of a field such as ``list[Model]`` or ``Model | None``."""
    inner: type[BaseModel] = next(one for one in (annotation, *get_args(annotation)) if hasattr(one, "model_fields"))
    return inner


class StrictRequest(Request):
    """A request whose ``json()`` refuses what parsers disagree about."""

    async def json(self) -> Any:
        """The body's value; raises json.JSONDecodeError, without a word of the body in it."""
        try:
            return bodies.parse(await self.body())
        except ValueError as error:
            raise json.JSONDecodeError(str(error), "", 0) from None


class StrictRoute(KnownQueryRoute):
    """A route that gets a StrictRequest, with a body of at most FIELDS_BYTES_MAX."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()
        body = None if self.body_field is None else self.body_field.field_info.annotation
        who = sign_in_of(self.dependant)

        async def handle_strictly(request: Request) -> Response:
            try:
                strict = StrictRequest(request.scope, request.receive)
                if body is not None:
                    _refuse_other_media_types(request)
                    _refuse_large(await strict.body())
                return await handle(strict)
            except (HTTPException, RequestValidationError) as error:
                if who is not None:  # without a valid sign-in or key the answer is 401, whatever else is wrong
                    await who(request)
                if isinstance(error, RequestValidationError):
                    found = [_named(body, one) for one in error.errors()[:ERRORS_MAX]]
                    raise RequestValidationError(found) from None
                raise

        return handle_strictly


def _refuse_large(body: bytes) -> None:
    """A request must not choose how long it takes to refuse: each field costs, known or not."""
    if len(body) > bodies.FIELDS_BYTES_MAX:
        raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_large(bodies.FIELDS_BYTES_MAX))


def _named(body: Any, error: Any) -> Any:
    """The error, with the name that may have been meant by an unknown field of the body."""
    if error["type"] != "extra_forbidden" or error["loc"][0] != "body" or not issubclass(body, BaseModel):
        return error
    return {**error, "msg": _unknown_field(body, error["loc"][1:])}


def _refuse_other_media_types(request: Request) -> None:
    if (b"content-type", b"application/json") in request.scope["headers"]:
        return
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
