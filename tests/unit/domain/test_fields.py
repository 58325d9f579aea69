"""A form of a model: a question for each field, also where the schema was made of types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
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


WHOLE = [0, 2**53 - 1, 2**53, 2**53 + 1, 2**53 + 2, 2**63 - 1, 2**63, 2**64 - 1, -(2**53) - 1, -(2**63)]


@pytest.mark.parametrize("number", WHOLE)
def test_a_whole_number_is_read_digit_by_digit(number: int) -> None:
    """As the API reads it: in 64 bits, and as a float it would be another one."""
    _, asked = fields_of(spec(text={"type": "string"}, more={"type": "integer"}))
    for written in (f"{number}", f"{number},0", f"{number:,}".replace(",", " "), f"{number:050d}"):
        found = asked.parse(written)
        assert (found, type(found)) == (number, int), written
    assert orjson.loads(orjson.dumps(number)) == number


@pytest.mark.parametrize(
    ("kind", "written"),
    [("integer", str(2**64)), ("integer", str(-(2**63) - 1)), ("integer", "9" * 5000), ("number", "1e999")],
)
def test_a_number_that_json_cannot_hold_is_not_called_no_number(kind: str, written: str) -> None:
    _, asked = fields_of(spec(text={"type": "string"}, more={"type": kind}))
    with pytest.raises(WrongValue, match="form-wrong-size"):
        asked.parse(written)


def test_json_keeps_large_whole_numbers_as_the_api_does() -> None:
    _, asked = fields_of(spec(text={"type": "string"}, more={"type": "object"}))
    assert asked.parse('{"n": 18446744073709551615}') == {"n": 2**64 - 1}
    with pytest.raises(WrongValue, match="form-wrong-size"):
        asked.parse('{"n": 18446744073709551616}')
    with pytest.raises(WrongValue, match="form-wrong-json"):
        asked.parse('{"n": 1e400}')


@pytest.mark.parametrize("text", ["[" * 2000, "[" * 2000 + "]" * 2000, "[" * 300 + "]" * 300])
def test_json_that_is_nested_too_deeply_is_called_no_json(text: str) -> None:
    _, asked = fields_of(spec(text={"type": "string"}, more={"type": "array"}))
    with pytest.raises(WrongValue, match="form-wrong-json"):
        asked.parse(text)


def test_nothing_is_no_button_of_a_choice() -> None:
    _, color = fields_of(spec(text={"type": "string"}, color={"type": ["string", "null"], "enum": ["red", None]}))
    assert color.enum == ("red",)


def test_a_typed_model_that_wants_only_a_text_gets_a_plain_message() -> None:
    assert takes_text(spec(text={"type": "string", "minLength": 1}, n={"type": "integer", "default": 3}))
