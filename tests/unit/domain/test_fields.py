"""A form of a model: a question for each field, also where the schema was made of types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ml_service.domain.fields import WrongValue, fields_of, takes_text
from ml_service.domain.models import ModelSpec

NUMBERS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "support/written_numbers.json").read_text())


def spec(**properties: Any) -> ModelSpec:
    schema = {"type": "object", "properties": properties, "required": ["text"]}
    return ModelSpec("typed", "1", "For tests.", 1, schema, {"type": "object"})


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ({"type": ["integer", "null"], "default": None}, "7", 7),
        ({"type": ["number", "null"]}, "0,5", 0.5),
        ({"type": ["string", "null"], "format": "date"}, "2026-01-31", "2026-01-31"),
        ({"type": ["boolean", "null"]}, "да", True),
        ({"type": ["string", "null"], "enum": ["red", "green", None]}, "green", "green"),
        ({"type": ["object", "null"]}, '{"a": 1}', {"a": 1}),
        ({"anyOf": [{"type": "integer"}, {"type": "number"}, {"type": "null"}]}, "1,5", 1.5),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "a word", "a word"),
    ],
)
def test_a_field_that_may_be_nothing_is_asked_like_any_other(field: dict[str, Any], text: str, value: object) -> None:
    _, asked = fields_of(spec(text={"type": "string"}, more=field))
    assert asked.parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        # The page reads the same numbers by its own rules: tests/web/bulk_source.test.js.
        *((one["kind"], one["text"], one["value"]) for one in NUMBERS),
        ("boolean", "ИСТИНА", True),
        ("boolean", "ложь", False),
        ("boolean", "maybe", None),
    ],
)
def test_a_value_is_read_as_spreadsheets_write_it_or_not_at_all(kind: str, text: str, value: object) -> None:
    _, asked = fields_of(spec(text={"type": "string"}, more={"type": kind}))
    if value is None:
        with pytest.raises(WrongValue):
            asked.parse(text)
    else:
        assert asked.parse(text) == value


def test_nothing_is_no_button_of_a_choice() -> None:
    _, color = fields_of(spec(text={"type": "string"}, color={"type": ["string", "null"], "enum": ["red", None]}))
    assert color.enum == ("red",)


def test_a_typed_model_that_wants_only_a_text_gets_a_plain_message() -> None:
    assert takes_text(spec(text={"type": "string", "minLength": 1}, n={"type": "integer", "default": 3}))
