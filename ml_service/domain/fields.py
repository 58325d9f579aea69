"""The fields of a model's input, by its schema: what a form asks for, and what a table's columns are named."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from ml_service.domain.models import ModelSpec

CHOICES_MAX = 20
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
                try:
                    return orjson.loads(text)
                except orjson.JSONDecodeError:
                    raise WrongValue("form-wrong-json") from None

    @staticmethod
    def _number(text: str, wrong: str, *, whole: bool) -> int | float:
        written = text.strip().replace("−", "-")
        if whole and _THOUSANDS.fullmatch(written):
            raise WrongValue(wrong)  # 1,000 may be a thousand: it is not taken for one
        if _GROUPED.match(written):
            written = re.sub("[ \u00a0\u2009\u202f](?=[0-9]{3})", "", written)
        try:
            value = float(written.replace(",", "."))
        except ValueError:
            raise WrongValue(wrong) from None
        if not math.isfinite(value) or abs(value) > 2**53 or (whole and value != int(value)):
            raise WrongValue(wrong)
        return int(value) if whole else value


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
    kind, enum = schema.get("type"), schema.get("enum")
    if isinstance(kind, list):  # X or nothing: to say nothing, the field is left out
        kind = next((one for one in kind if one != "null"), None)
        enum = [one for one in enum if one is not None] if isinstance(enum, list) else enum
    title, description = schema.get("title"), schema.get("description")
    words = [word for word in (title, description) if isinstance(word, str)]
    return Field(
        name=name,
        kind=kind if isinstance(kind, str) else "any",
        required=required,
        description=". ".join(words),
        enum=tuple(enum) if isinstance(enum, list) and len(enum) <= CHOICES_MAX else (),
    )


def takes_text(spec: ModelSpec) -> bool:
    """Whether a plain text is all that the model needs: no other field is required."""
    fields = fields_of(spec)
    text = next((field for field in fields if field.name == "text"), None)
    return text is not None and text.kind == "string" and not any(f.required for f in fields if f.name != "text")


def is_text_only(spec: ModelSpec) -> bool:
    """Whether there is nothing but a text to ask for, so that no form is needed."""
    return takes_text(spec) and len(fields_of(spec)) == 1
