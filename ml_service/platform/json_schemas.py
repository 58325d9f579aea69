"""Compiles JSON Schemas (2020-12), none of which may refer to anything outside of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import jsonschema_rs

from ml_service.platform.nearest import nearest

UNKNOWN_NAMED_MAX = 5
"""Of the unknown fields of one object, so many are named."""


def validator_of(
    schema: Any, formats: Mapping[str, Callable[[str], bool]] | None = None
) -> jsonschema_rs.Draft202012Validator:
    """Return what validates by a schema.

    A reference to a file or an address is refused, never retrieved: what a worker can compile has to compile in every
    app process, now and later, and without waiting for anybody.

    Raises:
        ValueError: It is no schema, or refers to what it does not contain; the message says why.
    """
    try:
        return jsonschema_rs.Draft202012Validator(
            schema, retriever=_refuse, validate_formats=formats is not None, formats=dict(formats or {})
        )
    except jsonschema_rs.ValidationError as error:
        raise ValueError(error.message) from None
    except jsonschema_rs.ReferencingError as error:
        raise ValueError(str(error)) from None


def message_of(error: jsonschema_rs.ValidationError, schema: Any) -> str:
    """Return what is wrong, in English; of a field that there is not, with the known one that may have been meant.

    Args:
        error: What a validator has found.
        schema: What it was made of.
    """
    unknown = unknown_fields(error, schema)
    if not unknown:
        return str(error.message)
    return " ".join(
        f"There is no field {name[:100]!r}{f'; did you mean {near}?' if near else '.'}" for name, near in unknown
    )


def unknown_fields(error: jsonschema_rs.ValidationError, schema: Any) -> list[tuple[str, str | None]]:
    """Return the fields that the schema does not have, each with the nearest of those that it has, or None.

    Nothing where the error is another one. At most `UNKNOWN_NAMED_MAX` are returned.
    """
    if error.kind.name != "additionalProperties":
        return []
    for step in list(error.schema_path)[:-1]:  # it leads through no $ref: it begins at the one that is meant
        try:
            schema = schema[step]
        except (LookupError, TypeError):
            return []
    known = schema.get("properties") if isinstance(schema, dict) else None
    names = [name for name in known if isinstance(name, str)] if isinstance(known, dict) else []
    return [(str(name), nearest(str(name), names)) for name in list(error.kind.value)[:UNKNOWN_NAMED_MAX]]


def _refuse(_address: str) -> NoReturn:
    raise LookupError("a schema may refer only to what it contains")
