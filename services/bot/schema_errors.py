"""What is wrong with an input, in the person's language and by field: a model's JSON Schema, put into words."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jsonschema_rs
import orjson

from ml_service.domain.models import ModelSpec
from ml_service.platform.json_schemas import unknown_fields, validator_of
from services.bot.phrases import Phrases, cut

ERRORS_MAX = 5
WORD_CHARS_MAX = 100
WHOLE_FLOAT_MAX = 1e15
"""A larger one is shown with its exponent."""
# Keywords whose value goes into the phrase as it is; others have a phrase without a value.
WITH_LIMIT = frozenset(
    {
        "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "multipleOf",
        "minItems", "maxItems",
    }
)  # fmt: skip


@lru_cache(maxsize=64)
def _validator(schema: bytes) -> jsonschema_rs.Draft202012Validator:
    return validator_of(orjson.loads(schema))


def explainer(t: Phrases, spec: ModelSpec) -> Callable[[Any], list[str]]:
    """A function that says what is wrong with a whole input, as text, each with its field; nothing where it fits."""
    validator = _validator_of(spec)

    def explain(value: Any) -> list[str]:
        if validator.is_valid(value):
            return []
        errors = zip(validator.iter_errors(value), range(ERRORS_MAX), strict=False)
        return [_with_field(t, error, _words(t, error, spec)) for error, _ in errors]

    return explain


def explain(t: Phrases, spec: ModelSpec, value: Any) -> list[str]:
    """What is wrong with one whole input, as `explainer` says it."""
    return explainer(t, spec)(value)


def explain_field(t: Phrases, spec: ModelSpec, name: str, value: Any) -> list[str]:
    """What is wrong with the value of one field, as text, whatever the others are; nothing where it fits."""
    found = [
        error for error in _validator_of(spec).iter_errors({name: value}) if list(error.instance_path)[:1] == [name]
    ]
    return [_words(t, error, spec) for error in found[:ERRORS_MAX]]


def _validator_of(spec: ModelSpec) -> jsonschema_rs.Draft202012Validator:
    return _validator(orjson.dumps(spec.input_schema, option=orjson.OPT_SORT_KEYS))


def _with_field(t: Phrases, error: Any, words: str) -> str:
    path = ".".join(map(str, error.instance_path))
    return t.plain("schema-at", field=cut(path, WORD_CHARS_MAX), words=words) if path else words


def _words(t: Phrases, error: Any, spec: ModelSpec) -> str:
    keyword, value = str(error.kind.name), error.kind.value
    if keyword in WITH_LIMIT and isinstance(value, int | float):
        return t.plain(f"schema-{keyword}", limit=_limit(t, value))
    match keyword:
        case "required":
            return t.plain("schema-required", field=cut(str(value), WORD_CHARS_MAX))
        case "additionalProperties":
            return t.plain("schema-unknown", fields=", ".join(_unknown(t, error, spec)))
        case "enum":
            options = ", ".join(one if isinstance(one, str) else orjson.dumps(one).decode() for one in value)
            return t.plain("schema-enum", options=cut(options, WORD_CHARS_MAX))
        case "type":
            return t.plain("schema-type", kinds=_kinds(t, value))
    key = f"schema-{keyword}"
    return t.plain(key) if t.has(key) else t.plain("schema-other")


def _unknown(t: Phrases, error: Any, spec: ModelSpec) -> list[str]:
    """The fields that there are not, each with the one that may have been meant."""
    return [
        cut(name, WORD_CHARS_MAX)
        if near is None
        else t.plain("schema-meant", field=cut(name, WORD_CHARS_MAX), near=cut(near, WORD_CHARS_MAX))
        for name, near in unknown_fields(error, spec.input_schema)
    ]


def _limit(t: Phrases, value: float) -> float | str:
    """A limit digit by digit, with the language's decimal sign: of a fraction, Fluent would show three digits."""
    if isinstance(value, int) or (value.is_integer() and abs(value) < WHOLE_FLOAT_MAX):
        return int(value)
    return orjson.dumps(value).decode().replace(".", t.plain("decimal-sign"))


def _kinds(t: Phrases, value: Any) -> str:
    kinds = [value] if isinstance(value, str) else [str(kind) for kind in value]
    return " / ".join(t.plain(f"schema-type-{kind}") if t.has(f"schema-type-{kind}") else kind for kind in kinds)
