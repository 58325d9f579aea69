"""What of a type can come as JSON: refuses types that cannot, and leaves out defaults that a client could not send."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Annotated, Any

import pydantic
from pydantic import Base64UrlBytes, ConfigDict, EncodedBytes, TypeAdapter
from pydantic.types import Base64Encoder
from pydantic_core import SchemaValidator, to_jsonable_python

from ml_service.platform.json_schemas import validator_of
from ml_service.runtime.author.model import Context, JsonObject

Definitions = dict[str, Any]
"""A field's type and default, by its name."""

_BASE64 = (Base64Encoder, typing.get_args(Base64UrlBytes)[1].encoder)
_NO_TEXTS = frozenset({"tuple", "list", "set", "frozenset", "dict", "model", "dataclass", "typed-dict"})
_WITHOUT_SCHEMAS = ("default", "metadata", "config", "serialization", "expected", "members")
_HOLDERS = (
    _NO_TEXTS - {"model", "dataclass"}
    | {"generator", "model-fields", "dataclass-args", "arguments", "json"}
    | {"function-before", "function-wrap", "chain"}
)
"""What reads another value inside, or may, as the author's own functions do: a type may contain itself there."""


def adapter_of(hint: Any) -> TypeAdapter[Any]:
    """Return what knows a type.

    Raises:
        ValueError: It contains itself with no other value between, as `type A = A | int` does: to read it would end
            the process (pydantic-core has no bound there).
        Exception: pydantic cannot make one.
    """
    adapter = TypeAdapter(hint)
    definitions = {one["ref"]: one for _, one in _nodes(adapter.core_schema, "") if isinstance(one.get("ref"), str)}
    for ref, node in definitions.items():
        passed: set[str] = set()
        ahead = _refs_of_same_value(node)
        while new := set(ahead) - passed:
            passed |= new
            ahead = [further for one in new if one in definitions for further in _refs_of_same_value(definitions[one])]
        if ref in passed:
            raise ValueError("it contains itself without a list or an object between")
    return adapter


def _refs_of_same_value(node: Any) -> list[str]:
    """Return the definitions that read the same value as ``node`` does, not one inside of it."""
    if isinstance(node, dict) and node.get("type") in _HOLDERS:
        return []
    if isinstance(node, dict) and node.get("type") == "definition-ref":
        return [node["schema_ref"]]
    parts = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list | tuple) else ()
    return [ref for key, part in parts if key not in _WITHOUT_SCHEMAS for ref in _refs_of_same_value(part)]


def decoded_once(hint: Any) -> Any:
    """Return a type with bytes in place of Base64Bytes, for a model whose bytes are base64 anyway."""
    arguments = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin is Annotated:
        inner, *notes = arguments
        kept = [one for one in notes if not (isinstance(one, EncodedBytes) and one.encoder in _BASE64)]
        made = decoded_once(inner)
        return Annotated[(made, *kept)] if kept else made
    if not arguments or origin in (None, typing.Literal):
        return hint
    made = tuple(decoded_once(one) for one in arguments)
    if all(one is other for one, other in zip(made, arguments, strict=True)):
        return hint
    return typing.Union[made] if origin in (typing.Union, types.UnionType) else origin[made]  # noqa: UP007 - made here


def unreadable(core_schema: Any, name: str) -> str:
    """Return what no JSON can be, as "takes size of …"; empty where all can."""
    for where, node in _nodes(core_schema, name):
        kind = node.get("type")
        if kind in ("enum", "literal"):
            values = node["members"] if kind == "enum" else node["expected"]
            if any(not _is_read(node, value) for value in values):
                return f"takes {where} of an Enum or a Literal whose values are none of JSON: give it texts or numbers"
        elif kind == "dict" and _root_type(node.get("keys_schema")) in _NO_TEXTS:
            return f"takes {where} with keys that cannot be texts, as all names in JSON are"
        elif kind == "call" and node.get("function") is Context:
            return f"takes {where} with a Context in it, which only a parameter of its own gets"
        elif kind == "is-subclass":
            return f"takes {where} of a class, which JSON cannot hold"
        elif _is_path_only(node.get("validation_alias")):
            return f"takes {where} by an AliasPath alone, which a schema cannot say: give it an alias"
    return ""


def _is_read(node: JsonObject, value: Any) -> bool:
    try:
        SchemaValidator(node).validate_json(json.dumps(to_jsonable_python(value)))
    except Exception:  # noqa: BLE001 - an Enum of the author's own may do anything
        return False
    return True


def _root_type(node: Any) -> Any:
    while isinstance(node, dict) and isinstance(node.get("schema"), dict):
        node = node["schema"]
    return node.get("type") if isinstance(node, dict) else None


def _is_path_only(alias: Any) -> bool:
    """Whether it is a path such as ["a", 0], or a choice of such."""
    if not isinstance(alias, list):
        return False
    paths = alias if isinstance(alias[0], list) else [alias]
    return all(len(path) > 1 for path in paths)


def _nodes(node: Any, name: str) -> Iterator[tuple[str, JsonObject]]:
    """Yield all parts of a core schema, each with the field that it is in."""
    if isinstance(node, list | tuple):
        for one in node:
            yield from _nodes(one, name)
    elif isinstance(node, dict):
        if node.get("type") == "dataclass-field":
            name = node["name"]
        yield name, node
        for key, value in node.items():
            if key in ("fields", "choices") and isinstance(value, dict):
                for named, one in value.items():
                    yield from _nodes(one, named if key == "fields" else name)
            elif key not in _WITHOUT_SCHEMAS:
                yield from _nodes(value, name)


def definitions_of(kind: Any) -> tuple[Definitions, ConfigDict | None]:
    """Return the fields of a class with types, and its configuration."""
    if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
        found = {name: (field.rebuild_annotation(), field) for name, field in kind.model_fields.items()}
        return found, kind.model_config
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind, include_extras=True)
        return {
            field.name: (hints[field.name], field.default if field.default is not dataclasses.MISSING else ...)
            for field in dataclasses.fields(kind)
        }, None
    return {}, None


def without_unusable_defaults(schema: JsonObject, definitions: Definitions, config: ConfigDict | None) -> JsonObject:
    """Return an input's schema without each default that, sent by a client, would be refused or be another value."""
    properties = dict(schema.get("properties", {}))
    for name, definition in definitions.items():
        # A field that does not stand alone keeps its default; one may be called like a method of pydantic's.
        with suppress(Exception), warnings.catch_warnings(action="ignore"):
            one = TypeAdapter(pydantic.create_model("One", __config__=config, **{name: definition}))
            (shown,) = one.json_schema()["properties"]
            part = properties[shown]
            if "default" in part and not _is_usable(part, schema, one.validate_json, (shown, name)):
                properties[shown] = {key: value for key, value in part.items() if key != "default"}
    return {**schema, "properties": properties} if properties else schema


def _is_usable(part: JsonObject, schema: JsonObject, read: Callable[[str], Any], names: tuple[str, str]) -> bool:
    shown, name = names
    try:
        given = getattr(read(json.dumps({shown: part["default"]}, allow_nan=False)), name)
        is_same = bool(given == getattr(read("{}"), name))
        return is_same and validator_of({**part, "$defs": schema.get("$defs", {})}).is_valid(part["default"])
    except Exception:  # noqa: BLE001 - whatever a default is made of
        return False


def culprit(definitions: Definitions) -> str:
    """Return the first field whose type makes no schema, or nothing."""
    for name, (hint, _) in definitions.items():
        try:
            adapter_of(hint).json_schema()
        except Exception:  # noqa: BLE001 - it says so in many ways
            return name
    return ""
