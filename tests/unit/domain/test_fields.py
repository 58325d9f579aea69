"""A form of a model: a question for each field, also where the schema was made of types."""

from __future__ import annotations

from typing import Any

import pytest

from ml_service.domain.fields import WrongValue, fields_of, takes_text
from ml_service.domain.models import ModelSpec


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
    ],
)
def test_a_field_that_may_be_nothing_is_asked_like_any_other(field: dict[str, Any], text: str, value: object) -> None:
    _, asked = fields_of(spec(text={"type": "string"}, more=field))
    assert asked.parse(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "12 345", 12345),
        ("integer", "1\u00a0000\u202f000", 1_000_000),
        ("integer", "−7", -7),
        ("integer", "5,0", 5),
        ("integer", "1,000", None),  # a thousand, or one with a fraction
        ("integer", "1.000", None),
        ("integer", "1 00", None),
        ("integer", "9" * 40, None),
        ("number", "1 234,5", 1234.5),
        ("number", "0,125", 0.125),
        ("number", "nan", None),
        ("number", "1e999", None),
        ("number", "1 2 3", None),
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
