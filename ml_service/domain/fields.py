"""The fields of a model's input, by its schema: what a form asks for, and what a table's columns are named."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import orjson

from ml_service.domain.models import ModelSpec
from ml_service.platform.numbers import is_cell

CHOICES_MAX = 20
INTEGER_DIGITS_MAX = 20
"""Of a number in 64 bits, which is what JSON here can hold (`encode_input`)."""
TRUE, FALSE = {"yes", "true", "1", "да", "истина"}, {"no", "false", "0", "нет", "ложь"}
"""As people and spreadsheets write them."""
_GROUPED = re.compile("[+-]?[0-9]{1,3}([ \u00a0\u2009\u202f][0-9]{3})+(?![0-9])")
"""Digits in groups of three. A comma or a dot between them would be one of a fraction elsewhere."""
_THOUSANDS = re.compile("[+-]?[0-9]{1,3}([,.][0-9]{3})+")


class WrongValue(ValueError):
    """What was given does not fit the field; the message is the key of a phrase of the bot."""


@dataclass(frozen=True, slots=True)
class Field:
    """One property of an input schema."""

    name: str
    kind: str
    required: bool
    description: str
    enum: tuple[Any, ...]
    is_file: bool = False
    """It takes the bytes of a file, as base64."""
    chars_max: int | None = None
    default: Any = None
    """What the model takes where it is left out; None where the schema does not say, or says null."""

    @property
    def options(self) -> list[str]:
        """What the schema lists as the only values, as a person would write them."""
        return [value if isinstance(value, str) else orjson.dumps(value).decode() for value in self.enum]

    def choice(self, place: int) -> Any:
        """The value behind a button; raises WrongValue where there is no such button."""
        values: Sequence[Any] = self.enum or ((True, False) if self.kind == "boolean" else ())
        if not 0 <= place < len(values):
            raise WrongValue("form-wrong-choice")
        return values[place]

    def parse(self, text: str) -> Any:
        """The value that a person wrote; the schema itself is checked when the form is complete."""
        if self.enum:
            for value in self.enum:
                if text.strip() == (value if isinstance(value, str) else orjson.dumps(value).decode()):
                    return value
            raise WrongValue("form-wrong-choice")
        match self.kind:
            case "boolean":
                word = text.strip().lower()
                if word in TRUE | FALSE:
                    return word in TRUE
                raise WrongValue("form-wrong-choice")
            case "integer":
                return self._number(text, "form-wrong-integer", whole=True)
            case "number":
                return self._number(text, "form-wrong-number", whole=False)
            case "string":
                return text
            case _:
                return _json(text)

    @staticmethod
    def _number(text: str, wrong: str, *, whole: bool) -> int | float:
        written = text.strip().replace("−", "-")
        if whole and _THOUSANDS.fullmatch(written):
            raise WrongValue(wrong)  # 1,000 may be a thousand: it is not taken for one
        if _GROUPED.match(written):
            written = re.sub("[ \u00a0\u2009\u202f](?=[0-9]{3})", "", written)
        if not is_cell(written, whole=whole):
            raise WrongValue(wrong)
        return _whole(written) if whole else _decimal(written)


def _json(text: str) -> Any:
    try:
        value = msgspec.json.decode(text)  # as the API does: orjson rounds a whole number beyond 64 bits
        orjson.dumps(value)
    except (msgspec.DecodeError, RecursionError):
        raise WrongValue("form-wrong-json") from None
    except orjson.JSONEncodeError as error:  # a number beyond 64 bits, or nested too deeply
        raise WrongValue("form-wrong-size" if "64-bit" in str(error) else "form-wrong-json") from None
    return value


def _whole(written: str) -> int:
    """A whole number, digit by digit: as a float it would be another one from 2**53 on."""
    sign = -1 if written.startswith("-") else 1
    digits = re.split("[,.]", written.lstrip("+-"))[0].lstrip("0")[: INTEGER_DIGITS_MAX + 1] or "0"
    value = sign * int(digits)
    if not -(2**63) <= value < 2**64:
        raise WrongValue("form-wrong-size")
    return value


def _decimal(written: str) -> float:
    value = float(written.replace(",", "."))
    if not math.isfinite(value):
        raise WrongValue("form-wrong-size")
    return value


def fields_of(spec: ModelSpec) -> list[Field]:
    """The fields of a model's input: those that it requires first."""
    properties = spec.input_schema.get("properties")
    required = spec.input_schema.get("required")
    if not isinstance(properties, dict):
        return []
    needed = set(required) if isinstance(required, list) else set()
    found = [_field(str(name), schema, required=name in needed) for name, schema in properties.items()]
    return sorted(found, key=lambda field: not field.required)


def _field(name: str, schema: Any, *, required: bool) -> Field:
    schema = schema if isinstance(schema, dict) else {}
    kind, enum = _kind_of(_types_of(schema)), schema.get("enum")
    if isinstance(enum, list):  # X or nothing: to say nothing, the field is left out
        enum = [one for one in enum if one is not None]
    title, description = schema.get("title"), schema.get("description")
    words = [word for word in (title, description) if isinstance(word, str)]
    return Field(
        name=name,
        kind=kind,
        required=required,
        description=". ".join(words),
        enum=tuple(enum) if isinstance(enum, list) and len(enum) <= CHOICES_MAX else (),
        is_file=kind == "string" and schema.get("contentEncoding") == "base64",
        chars_max=chars_max if isinstance(chars_max := schema.get("maxLength"), int) else None,
        default=schema.get("default"),
    )


def _types_of(schema: dict[str, Any]) -> list[Any]:
    """The types of a field's values; ``int | str`` is written as a list of types or of bare schemas."""
    types, variants = schema.get("type"), schema.get("anyOf")
    if (
        types is None
        and isinstance(variants, list)
        and all(isinstance(one, dict) and set(one) == {"type"} for one in variants)
    ):
        return [one["type"] for one in variants]
    return types if isinstance(types, list) else [types]


def _kind_of(types: list[Any]) -> str:
    """What a person is asked for; where there are several, a text if that is one of them."""
    kinds = [one for one in types if isinstance(one, str) and one != "null"]
    if "number" in kinds:
        kinds = [one for one in kinds if one != "integer"]
    if len(kinds) == 1:
        return kinds[0]
    return "string" if "string" in kinds else "any"


def takes_text(spec: ModelSpec) -> bool:
    """Whether a plain text is all that the model needs: no other field is required."""
    fields = fields_of(spec)
    text = next((field for field in fields if field.name == "text"), None)
    if text is None or text.kind != "string" or text.is_file:
        return False
    return not any(field.required for field in fields if field.name != "text")


def plain_field(spec: ModelSpec) -> Field | None:
    """The field that a text, or a file, without a name for it is meant for: ``text``, or the only one required."""
    fields = fields_of(spec)
    needed = [one for one in fields if one.required] or fields[:1]
    if takes_text(spec):
        return next(one for one in fields if one.name == "text")
    (only,) = needed if len(needed) == 1 else (None,)
    return only if only is not None and only.kind == "string" and not only.enum else None


def is_text_only(spec: ModelSpec) -> bool:
    """Whether there is nothing but a text to ask for, so that no form is needed."""
    return takes_text(spec) and len(fields_of(spec)) == 1
