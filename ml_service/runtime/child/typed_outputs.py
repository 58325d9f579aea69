"""The JSON form of an output whose schema was made of its type: pydantic's own, which is what that schema describes.

Imported only for models with types. Differs from pydantic's in what its schema leaves open or JSON cannot hold: bytes
are base64, sets are sorted, and values without a type of their own are encoded as those of a schema by hand.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError, PydanticSerializationUnexpectedValue, SchemaSerializer

from ml_service.runtime.child.output_formats import FORMATS
from ml_service.runtime.child.outputs import InvalidOutput, OutputEncoder, plain

Node = dict[str, Any]

_VALUES = ("default", "metadata", "expected", "members", "config")
"""Keys of a core schema under which values stand, and no schemas."""
_NAMED = ("fields", "choices", "definitions")
"""Those under which schemas stand by names that an author chose."""


def typed_encoder(adapter: TypeAdapter[Any], output_schema: Any, output_bytes_max: int) -> OutputEncoder:
    """Return what encodes outputs of this type.

    Args:
        adapter: Of the type.
        output_schema: Made of the same type.
        output_bytes_max: JSON of one output.
    """
    return OutputEncoder(output_schema, output_bytes_max, _jsonable(adapter), FORMATS)


def _jsonable(adapter: TypeAdapter[Any]) -> Callable[[Any], Any]:
    schema = _rewritten(adapter.core_schema)
    with ExitStack() as stack:
        for kind in _classes(schema):
            stack.enter_context(_not_prebuilt(kind))
        serializer = SchemaSerializer(schema, {"ser_json_inf_nan": "constants"})  # NaN is refused, not null

    def convert(output: Any) -> Any:
        try:
            return serializer.to_python(output, mode="json", by_alias=True, warnings="error")
        except (PydanticSerializationError, PydanticSerializationUnexpectedValue, ValueError) as error:
            raised = error.__cause__
            if isinstance(raised, InvalidOutput):
                raise _located(raised, output) from None
            if raised is not None and not isinstance(raised, PydanticSerializationUnexpectedValue):
                raise raised from None  # the author's own serializer has failed
        # A value is not of its type, such as an array of numpy in place of a list: by what it is, then.
        try:
            if _holds_bytes(output):  # which pydantic writes as base64 by their type only
                return output
            return serializer.to_python(output, mode="json", by_alias=True, warnings=False, fallback=plain)
        except (PydanticSerializationError, InvalidOutput, ValueError, RecursionError):
            return output

    return convert


def _holds_bytes(value: Any) -> bool:
    if isinstance(value, bytes | bytearray | memoryview):
        return True
    if isinstance(value, list | tuple | set | frozenset):
        return any(map(_holds_bytes, value))
    parts = value if isinstance(value, Mapping) else getattr(value, "__dict__", None)
    return isinstance(parts, Mapping) and not isinstance(value, type) and any(map(_holds_bytes, parts.values()))


def _located(error: InvalidOutput, output: Any) -> InvalidOutput:
    """Return the same error with where in the output it is, as far as that can be said."""
    try:
        plain(output)
    except InvalidOutput as located:
        return located if located.what == error.what else error
    return error


def _base64(value: Any) -> str:
    if not isinstance(value, bytes | bytearray | memoryview):
        raise PydanticSerializationUnexpectedValue("bytes are expected")
    return base64.b64encode(value).decode()


def _sorted(value: Any, handler: Callable[[Any], Any]) -> Any:
    if not isinstance(value, set | frozenset):
        raise PydanticSerializationUnexpectedValue("a set is expected")
    return sorted(handler(value), key=json.dumps)


_AS_BASE64: Node = {"type": "function-plain", "function": _base64, "when_used": "json"}
_AS_SORTED: Node = {"type": "function-wrap", "function": _sorted, "when_used": "json"}
_ANY: Node = {"type": "any", "serialization": {"type": "function-plain", "function": plain, "when_used": "json"}}
_SERIALIZED: dict[str, Node] = {
    "bytes": _AS_BASE64,
    "set": _AS_SORTED,
    "frozenset": _AS_SORTED,
    "any": _ANY["serialization"],
    "is-instance": _ANY["serialization"],
}
_OPEN = {
    "list": "items_schema",
    "set": "items_schema",
    "frozenset": "items_schema",
    "generator": "items_schema",
    "dict": "values_schema",
}
"""Where a core schema may leave out that anything may stand there."""


def _rewritten(node: Any) -> Any:
    if isinstance(node, list | tuple):
        return type(node)(_rewritten(one) for one in node)
    if not isinstance(node, dict):
        return node
    made = {key: _below(key, value) for key, value in node.items()}
    kind = node.get("type")
    if isinstance(kind, str):
        if (left_open := _OPEN.get(kind)) is not None:
            made.setdefault(left_open, _ANY)
        if (serialized := _SERIALIZED.get(kind)) is not None:
            made.setdefault("serialization", serialized)
        if kind in ("model", "typed-dict") and made.get("config", {}).get("extra_fields_behavior") == "allow":
            _open_extras(made)
    return made


def _open_extras(node: Any) -> None:
    while isinstance(node, dict) and node["type"] not in ("model-fields", "typed-dict"):
        node = node.get("schema")
    if isinstance(node, dict):
        node.setdefault("extras_schema", _ANY)


def _below(key: str, value: Any) -> Any:
    if key in _VALUES or (key == "serialization" and _is_of_pydantic(value)):
        return value
    if key in _NAMED and isinstance(value, dict):
        return {name: _rewritten(one) for name, one in value.items()}
    return _rewritten(value)


def _is_of_pydantic(serialization: Node) -> bool:
    """Whether a type of pydantic's own says how it is written, such as Base64Bytes."""
    return getattr(serialization.get("function"), "__module__", "").partition(".")[0] == "pydantic"


def _nodes(node: Any) -> Iterator[Node]:
    if isinstance(node, list | tuple):
        for one in node:
            yield from _nodes(one)
    elif isinstance(node, dict):
        yield node
        for key, value in node.items():
            if key not in _VALUES or isinstance(value, dict):
                yield from _nodes(value)


def _classes(schema: Any) -> set[type]:
    return {kind for one in _nodes(schema) if isinstance(kind := one.get("cls"), type)}


@contextmanager
def _not_prebuilt(kind: type) -> Iterator[None]:
    """Keep pydantic from taking a class's own serializer, which is of the schema that was not rewritten."""
    known = "__pydantic_complete__"
    if known not in vars(kind):
        yield
        return
    was = vars(kind)[known]
    setattr(kind, known, False)
    try:
        yield
    finally:
        setattr(kind, known, was)
