"""Query parameters: only those that a route declares, a single one once. A typo in a filter would return everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from itertools import islice
from typing import Any, get_args, get_origin
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.types import Scope

from ml_service.platform.nearest import meant
from ml_service.platform.numbers import what_is_wrong
from services.app.api.problems import ERRORS_MAX
from services.app.auth.callers import Caller
from services.app.auth.principal import is_dependency

PARAMETERS_MAX = 100
"""Of one query. A request must not choose how long it takes to read; no route declares so many."""


class KnownQueryRoute(APIRoute):
    """A route that refuses query parameters that it does not declare. Every route of the API is one."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()
        known = {one.alias: one.field_info.annotation for each in _flat(self.dependant) for one in each.query_params}
        places = {one.alias: one.field_info.annotation for each in _flat(self.dependant) for one in each.path_params}
        numbered = {name: annotation for name, annotation in places.items() if what_is_wrong("", annotation)}
        repeatable = {name for name, annotation in known.items() if _is_list(annotation)}
        who = sign_in_of(self.dependant)

        async def handle_known(request: Request) -> Response:
            found = _wrong(request.scope, known, repeatable) if request.scope["query_string"] else []
            for name, annotation in numbered.items():
                with suppress(ValueError):  # FastAPI refuses what is no number at all, after it has asked for the role
                    float(text := str(request.path_params[name]))
                    found += _no_number("path", name, text, annotation)
            if found:
                if who is not None:  # without a valid sign-in or key the answer is 401, whatever else is wrong
                    await who(request)
                raise RequestValidationError(found)
            return await handle(request)

        return handle_known


def refuse_query(scope: Scope) -> None:
    """Refuse all parameters, for a route that takes none; raises RequestValidationError."""
    if found := _wrong(scope, {}, set()):
        raise RequestValidationError(found)


def sign_in_of(dependant: Dependant) -> Callable[[Request], Awaitable[Caller]] | None:
    """The dependency of a route that says who asks."""
    return next((one.call for one in _flat(dependant) if is_dependency(one.call)), None)


def _is_list(annotation: Any) -> bool:
    return any(get_origin(one) is list for one in (annotation, *get_args(annotation)))


def _flat(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for inner in dependant.dependencies:
        yield from _flat(inner)


def _wrong(scope: Scope, known: dict[str, Any], repeatable: set[str]) -> list[dict[str, Any]]:
    """What is wrong with the names of the query, and with its numbers, as pydantic would say it."""
    query: bytes = scope["query_string"]
    if query.count(b"&") >= PARAMETERS_MAX:
        message = f"A query has at most {PARAMETERS_MAX} parameters."
        return [{"type": "too_many_parameters", "loc": ("query",), "msg": message}]
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    given = Counter(name for name, _ in pairs)
    wrong = (name for name, count in given.items() if name not in known or (count > 1 and name not in repeatable))
    found = [
        {"type": "unknown_parameter", "loc": ("query", name), "msg": _unknown(name, known)}
        if name not in known
        else {"type": "repeated_parameter", "loc": ("query", name), "msg": "Give this parameter once."}
        for name in islice(wrong, ERRORS_MAX)  # what was meant is looked for only where it is told
    ]
    for name, value in pairs:
        found += _no_number("query", name, value, known.get(name))
    return found[:ERRORS_MAX]


def _no_number(where: str, name: str, text: str, annotation: Any) -> list[dict[str, Any]]:
    wrong = what_is_wrong(text, annotation)
    return [{"type": "no_number", "loc": (where, name), "msg": f"It {wrong}."}] if wrong else []


def _unknown(name: str, known: dict[str, Any]) -> str:
    if not known:
        return "There is no parameter of this name; this address takes none."
    there_is = f"; there is {', '.join(known)}."
    return f"There is no parameter of this name{meant(name.lower(), known) or there_is}"
