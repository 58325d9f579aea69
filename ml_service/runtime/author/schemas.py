"""JSON Schemas as pages and bots like to read them, and an example that fits one. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ml_service.runtime.author.model import JsonObject

_REF = "#/$defs/"
_KEEP_AS_THEY_ARE = ("default", "examples", "enum", "const")
_NUMBER_STEP = 0.5
EXAMPLE_CHARS_MAX = 20_000
"""A longer guess helps nobody who reads it."""
_TEXTS_BY_FORMAT = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1H",
    "uuid": "0f0e0d0c-0b0a-4908-8706-050403020100",
    "email": "anna@example.com",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "ipv4network": "192.0.2.0/24",
    "ipv6network": "2001:db8::/32",
    "path": "folder/file.txt",
    "regex": "a+",
    "password": "a secret",
    "uuid4": "0f0e0d0c-0b0a-4908-8706-050403020100",
}


def plain_schema(schema: JsonObject) -> JsonObject:
    """Return the same schema without what a form's builder would have to look up.

    Definitions stand where they are used (but those that contain themselves), ``X | None`` is a type beside "null", a
    choice of one is a choice, base64 is called so, and titles that only repeat a name are left out.
    """
    defs = schema.get("$defs", {})
    recursive: set[str] = set()
    root = {key: value for key, value in schema.items() if key not in ("$defs", "title")}
    plain: JsonObject = _plain(root, "", defs, (), recursive)
    kept: dict[str, Any] = {}
    while missing := recursive - kept.keys():
        name = missing.pop()
        kept[name] = _plain(defs[name], name, defs, (name,), recursive)
    return {**plain, "$defs": kept} if kept else plain


def _plain(schema: Any, name: str, defs: JsonObject, inside: tuple[str, ...], recursive: set[str]) -> Any:
    if isinstance(schema, list):
        return [_plain(one, "", defs, inside, recursive) for one in schema]
    if not isinstance(schema, dict):
        return schema
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith(_REF):
        target = reference.removeprefix(_REF)
        if target in inside or target not in defs:
            recursive.update({target} & defs.keys())
            return schema
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        return _plain({**defs[target], **beside}, target, defs, (*inside, target), recursive)
    found: JsonObject = {}
    for key, value in schema.items():
        if key == "properties":
            found[key] = {each: _plain(one, each, defs, inside, recursive) for each, one in value.items()}
        elif key == "discriminator":  # its mapping names definitions, which are no more
            found[key] = {"propertyName": value["propertyName"]}
        else:
            found[key] = value if key in _KEEP_AS_THEY_ARE else _plain(value, "", defs, inside, recursive)
    if "discriminator" in found:
        tag = found["discriminator"]["propertyName"]
        found["oneOf"] = [_with_required(one, tag) for one in found.get("oneOf", ())]
    return _in_plain_words(found, name)


def _with_required(schema: Any, name: str) -> Any:
    """Return the schema of one choice with the field that says which one it is, default or not."""
    if name not in schema.get("properties", {}) or name in schema.get("required", ()):
        return schema
    return {**schema, "required": [name, *schema.get("required", ())]}


def _in_plain_words(schema: JsonObject, name: str) -> JsonObject:
    schema = _merged(schema)
    title = schema.get("title")
    if isinstance(title, str) and title in (name, name.replace("_", " ").title()):
        schema.pop("title")
    if "const" in schema and "enum" not in schema:
        schema["enum"] = [schema.pop("const")]
    if schema.get("format") in ("base64", "base64url"):
        del schema["format"]
        schema["contentEncoding"] = "base64"
    return schema


def _merged(schema: JsonObject) -> JsonObject:
    """Return a schema without ``anyOf: [X, null]`` and ``allOf: [X]``."""
    schema = dict(schema)
    if len(schema.get("allOf", ())) == 1 and "$ref" not in schema["allOf"][0]:
        (one,) = schema.pop("allOf")
        schema = {**one, **schema}
    options = schema.get("anyOf", ())
    others = [one for one in options if one != {"type": "null"}]
    if len(others) == 1 and len(options) > 1 and isinstance(others[0].get("type"), str):
        del schema["anyOf"]
        schema = {**others[0], **schema, "type": [others[0]["type"], "null"]}
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    return schema


def with_base64(schema: Any) -> Any:
    """Return the schema of an output, whose bytes become base64, with that said."""
    if isinstance(schema, list):
        return [with_base64(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "binary":
        rest = {key: value for key, value in schema.items() if key != "format"}
        return {**rest, "contentEncoding": "base64"}
    return {key: with_base64(value) for key, value in schema.items()}


def says_raw_bytes(schema: Any) -> bool:
    """Whether a schema has a field of bytes that are not base64, which JSON cannot carry."""
    if isinstance(schema, dict):
        return schema.get("format") == "binary" or any(map(says_raw_bytes, schema.values()))
    return isinstance(schema, list) and any(map(says_raw_bytes, schema))


def example_of(schema: JsonObject) -> JsonObject | None:
    """Return an input to try: a field's own first example, default or choice, else a value of its type.

    None where a field is too particular to guess (a pattern, say), or too long. A guess may be wrong.

    Raises:
        Exception: Something of the schema is not what it should be.
    """
    found = _example(schema)
    return found if isinstance(found, dict) else None


def _example(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return None
    for known in (schema.get("examples"), schema.get("enum")):
        if isinstance(known, list) and known:
            return known[0]
    if schema.get("default") is not None:
        return schema["default"]
    for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if (found := _example(option)) is not None:
            return found
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    return _GUESSES[kind](schema) if isinstance(kind, str) and kind in _GUESSES else None


def _object(schema: JsonObject) -> JsonObject | None:
    fields = {name: _example(one) for name, one in schema.get("properties", {}).items() if _is_shown(schema, name, one)}
    return None if any(fields.get(name) is None for name in schema.get("required", ())) else fields


def _is_shown(schema: JsonObject, name: str, field: Any) -> bool:
    return name in schema.get("required", ()) or (isinstance(field, dict) and bool(field.get("examples")))


def _array(schema: JsonObject) -> list[Any] | None:
    if isinstance(items := schema.get("prefixItems"), list):
        found = [_example(each) for each in items]
        return None if None in found else found
    one, number = _example(schema.get("items")), max(1, schema.get("minItems", 1))
    return None if one is None or len(json.dumps(one)) * number > EXAMPLE_CHARS_MAX else [one] * number


def _number(schema: JsonObject) -> float:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + _NUMBER_STEP
    value = low if low is not None else _NUMBER_STEP
    return float(value if high is None else min(value, high))


def _integer(schema: JsonObject) -> int:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is None and "exclusiveMinimum" in schema:
        low = schema["exclusiveMinimum"] + 1
    value = int(low) if low is not None else 1
    return value if high is None else min(value, int(high))


def _text(schema: JsonObject) -> str | None:
    if "pattern" in schema:
        return None
    if schema.get("contentEncoding") == "base64":
        return "aGVsbG8="
    if isinstance(form := schema.get("format"), str):
        return _TEXTS_BY_FORMAT.get(form)
    text: str = "An example of a text"
    low, high = int(schema.get("minLength", 0)), int(schema.get("maxLength", len(text)))
    if low > EXAMPLE_CHARS_MAX:
        return None
    return (text * (1 + low // len(text)))[: max(low, min(high, len(text)))]


_GUESSES: dict[str, Callable[[JsonObject], Any]] = {
    "object": _object,
    "array": _array,
    "number": _number,
    "integer": _integer,
    "string": _text,
    "boolean": lambda _schema: False,
}
