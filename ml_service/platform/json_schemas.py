"""Compiles JSON Schemas (2020-12), none of which may refer to anything outside of itself."""

from __future__ import annotations

from typing import Any, NoReturn

import jsonschema_rs


def validator_of(schema: Any) -> jsonschema_rs.Draft202012Validator:
    """Return what validates by a schema.

    A reference to a file or an address is refused, never retrieved: what a worker can compile has to compile in every
    app process, now and later, and without waiting for anybody.

    Raises:
        ValueError: It is no schema, or refers to what it does not contain; the message says why.
    """
    try:
        return jsonschema_rs.Draft202012Validator(schema, retriever=_refuse)
    except jsonschema_rs.ValidationError as error:
        raise ValueError(error.message) from None
    except jsonschema_rs.ReferencingError as error:
        raise ValueError(str(error)) from None


def _refuse(_address: str) -> NoReturn:
    raise LookupError("a schema may refer only to what it contains")
