"""From what a model's class declares to the `ModelSpec` that is announced; every mistake is named."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any
from unicodedata import is_normalized

import msgspec

from ml_service.domain.models import JsonObject, ModelSpec
from ml_service.platform.json_schemas import validator_of
from ml_service.platform.pool_names import what_is_reserved
from ml_service.runtime.author.declarations import declarations_of
from ml_service.runtime.author.model import DECLARATIONS, Model

BATCH_SIZE_MAX = 1024
# With the time for isolation on top, a batch stays below the 30 minutes after which RabbitMQ takes it back.
TIMEOUT_S_MAX = 600
BATCH_WAIT_MS_MAX = 1000
PRICE_CREDITS_MAX = 10**9
LOAD_TIMEOUT_S_MAX = 86_400
MEMORY_BYTES_MIN = 32 * 2**20
# Half of the longest frame (`frames.FRAME_BYTES_MAX`), which may hold another answer too.
OUTPUT_BYTES_MAX = 32 * 2**20
TEXT_CHARS_MAX = 4000
JSON_CHARS_MAX = 200_000
"""Of each schema, and of all examples: every app process holds them, and `GET /models` tells them to anybody."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_POOL = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_IN_ADDRESSES = frozenset("/?#%\\")
"""What `GET /models/NAME@VERSION` could not be asked with."""
_REQUIRED = ("name", "version", "description", "input_schema", "output_schema")
_WORKERS_OWN = frozenset({"load_timeout_s", "memory_bytes_max", "output_bytes_max"})
"""Limits that may be None: the worker's own."""
_SHOWN_CHARS_MAX = 200


class WrongDeclaration(Exception):
    """A model's class declares what cannot be; the message lists each attribute and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Declared:
    """All that a model declares: what is announced, and what only its worker needs.

    Attributes:
        spec: What is announced.
        batch_wait_ms: How long a busy worker waits for a batch to fill.
        load_timeout_s: How long `load` may take; None for the worker's own limit.
        memory_bytes_max, output_bytes_max: The same for these.
        takes_context: Each input comes with its context.
        is_concurrent: Its inputs are answered at once, each in a time of its own.
    """

    spec: ModelSpec
    batch_wait_ms: float
    load_timeout_s: float | None
    memory_bytes_max: int | None = None
    output_bytes_max: int | None = None
    takes_context: bool = False
    is_concurrent: bool = False


def spec_of(model_class: type[Model]) -> ModelSpec:
    """Return what a model's class announces.

    Raises:
        WrongDeclaration: Some of it cannot be.
    """
    return declared_from(declarations_of(model_class)).spec


_SCHEMAS_MISSING = (
    " Both schemas come from the types of predict's parameters and of what it returns; or the class declares both."
)


def declared_from(declarations: JsonObject) -> Declared:
    """Check a model's declarations (see `declarations_of`; defaults are filled in from `Model`).

    Raises:
        WrongDeclaration: Some of it cannot be.
    """
    values: JsonObject = declarations_of(Model) | declarations
    problems = [f"{name} is missing" for name in _REQUIRED if values.get(name) is None]
    problems += [
        f"{name} {problem}"
        for name in DECLARATIONS
        if name in values
        and not (values[name] is None and (name in _WORKERS_OWN or name in _REQUIRED))
        and (problem := _CHECKS[name](values[name]))
    ]
    if not problems:
        problems = _problems_of_examples(values)
    if problems:
        hint = "" if "output_schema" in values else _SCHEMAS_MISSING
        raise WrongDeclaration(f"The model declares what cannot be: {'; '.join(problems)}.{hint}")
    spec = ModelSpec(
        name=values["name"],
        version=values["version"],
        description=" ".join(values["description"].split()),
        price_credits=values["price_credits"],
        input_schema=values["input_schema"],
        output_schema=values["output_schema"],
        batch_size=values["batch_size"],
        timeout_s=float(values["timeout_s"]),
        pool=values["pool"],
        examples=tuple(values["examples"]),
        descriptions={language: " ".join(text.split()) for language, text in values["descriptions"].items()},
    )
    call = declarations.get("call", {})
    limits = (values[name] for name in ("load_timeout_s", "memory_bytes_max", "output_bytes_max"))
    return Declared(spec, float(values["batch_wait_ms"]), *limits, **call)


_TEXTS = frozenset({"description", "descriptions", "examples"})


def differences(announced: Declared, now: Declared) -> list[str]:
    """Name the declarations that differ, aside from texts and examples, which change no answer."""
    pairs = [(announced, now, Declared), (announced.spec, now.spec, ModelSpec)]
    return sorted(
        field.name
        for before, after, kind in pairs
        for field in fields(kind)
        if field.name not in _TEXTS | {"spec"} and getattr(before, field.name) != getattr(after, field.name)
    )


def _shown(value: Any) -> str:
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        text = f"a {type(value).__name__} that is too long to show"
    return text if len(text) <= _SHOWN_CHARS_MAX else text[:_SHOWN_CHARS_MAX] + "…"


def _text(pattern: re.Pattern[str] | None = None, chars_max: int = TEXT_CHARS_MAX) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            return f"must be a text, is {_shown(value)}"
        if len(value) > chars_max:
            return f"must be at most {chars_max} characters, has {len(value)}"
        if "\0" in value or value != value.encode(errors="replace").decode():
            return "has characters that cannot be stored"
        if pattern is not None and not pattern.fullmatch(value):
            return f"must be lower case letters, digits and hyphens, is {_shown(value)}"
        return ""

    return check


def _texts_by_language(value: Any) -> str:
    if not isinstance(value, dict):
        return f'must be texts by language, such as {{"ru": "…"}}, is {_shown(value)}'
    for language, text in value.items():
        if not isinstance(language, str) or not _LANGUAGE.fullmatch(language):
            return f'must have codes of languages such as "ru", has {_shown(language)}'
        if problem := _text()(text):
            return f"in {_shown(language)} {problem}"
    return ""


def _number(low: float, high: float, *, whole: bool = True) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
            return f"must be a {'whole number' if whole else 'number'}, is {_shown(value)}"
        return "" if low <= value <= high else f"must be from {low:,} to {high:,}, is {_shown(value)}"

    return check


def _schema(value: Any) -> str:
    if not isinstance(value, dict):
        return f"must be a JSON Schema (a dict), is {_shown(value)}"
    if value.get("type") != "object":
        return 'must be a JSON Schema with "type": "object"'
    if problem := _not_json(value):
        return problem
    try:
        validator_of(value)
    except ValueError as error:
        return f"is no valid JSON Schema (2020-12): {' '.join(str(error).split())}"
    return ""


def _examples(value: Any) -> str:
    if not isinstance(value, (list, tuple)) or not all(isinstance(each, dict) for each in value):
        return "must be a list of inputs (dicts)"
    return _not_json(value)


def _not_json(value: Any) -> str:
    """Why the app could not read it, and with it no model at all: NaN and Infinity are announced as null."""
    try:
        text = json.dumps(value, allow_nan=False)
        msgspec.json.decode(text)
    except (ValueError, TypeError, RecursionError):
        return "has something that JSON cannot hold, such as NaN or a lone surrogate"
    if len(text) > JSON_CHARS_MAX:
        return f"must be at most {JSON_CHARS_MAX:,} characters as JSON, has {len(text):,}"
    return "has a NUL character" if re.search(r"(?<!\\)(?:\\\\)*\\u0000", text) else ""


def _problems_of_examples(values: JsonObject) -> list[str]:
    validator = validator_of(values["input_schema"])
    return [
        f"examples[{place}] does not fit input_schema: {error.message}"
        for place, example in enumerate(values["examples"])
        for error in validator.iter_errors(example)
    ]


def _version(value: Any) -> str:
    if isinstance(value, str) and value.strip():
        if value != value.strip():
            return f"must not begin or end with a blank, is {_shown(value)}"
        if not value.isprintable() or not is_normalized("NFC", value) or _IN_ADDRESSES & set(value):
            return f"must be visible characters (Unicode NFC) without / ? # % \\, is {_shown(value)}"
    return _text(chars_max=64)(value)


def _pool(value: Any) -> str:
    return _text(_POOL)(value) or what_is_reserved(value)


_CHECKS: dict[str, Callable[[Any], str]] = {
    "name": _text(_NAME),
    "version": _version,
    "description": _text(),
    "descriptions": _texts_by_language,
    "price_credits": _number(0, PRICE_CREDITS_MAX),
    "input_schema": _schema,
    "output_schema": _schema,
    "examples": _examples,
    "batch_size": _number(1, BATCH_SIZE_MAX),
    "batch_wait_ms": _number(0, BATCH_WAIT_MS_MAX, whole=False),
    "timeout_s": _number(0.01, TIMEOUT_S_MAX, whole=False),
    "pool": _pool,
    "load_timeout_s": _number(0.01, LOAD_TIMEOUT_S_MAX, whole=False),
    "memory_bytes_max": _number(MEMORY_BYTES_MIN, 2**62),
    "output_bytes_max": _number(2, OUTPUT_BYTES_MAX),
}
