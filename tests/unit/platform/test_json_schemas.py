"""A schema is compiled from itself alone, in every process in the same way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.common.state import ROOT
from ml_service.platform.json_schemas import message_of, validator_of
from ml_service.runtime.author import Model
from ml_service.runtime.author.declarations import declarations_of
from ml_service.runtime.host.declarations import WrongDeclaration, declared_from


@pytest.mark.parametrize("keyword", ["$ref", "$dynamicRef"])
@pytest.mark.parametrize("place", ["properties", "output", "base"])
def test_a_reference_to_what_lies_outside_is_refused_though_it_could_be_read(
    tmp_path: Path, keyword: str, place: str
) -> None:
    outside = tmp_path / "schema.json"
    outside.write_text(json.dumps({"type": "string"}))
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {keyword: outside.as_uri()}}}
    if place == "base":
        schema = {"$id": outside.with_name("own.json").as_uri(), **schema, "properties": {"a": {keyword: outside.name}}}
    with pytest.raises(ValueError, match=r"is not present"):
        validator_of(schema)
    own = {"type": "object"}
    schemas = {"input_schema": own, "output_schema": schema} if place == "output" else {"input_schema": schema}
    values = {"name": "x", "version": "1", "description": "x", "input_schema": own, "output_schema": own, **schemas}
    with pytest.raises(WrongDeclaration, match="schema is no valid JSON Schema"):
        declared_from(declarations_of(Model) | values)


@pytest.mark.parametrize(
    "schema",
    [
        {"$defs": {"a": {"type": "string"}}, "properties": {"a": {"$ref": "#/$defs/a"}}},
        {
            "$id": "https://a.example/b",
            "$defs": {"a": {"$id": "c", "type": "string"}},
            "properties": {"a": {"$ref": "c"}},
        },
        {"properties": {"a": {"$ref": "#"}}},
        {"properties": {"a": {"$ref": "https://json-schema.org/draft/2020-12/schema"}}},
        {"properties": {"a": {"enum": [{"$ref": "https://nowhere.example/"}]}}},
    ],
)
def test_a_reference_to_what_is_there_is_resolved(schema: dict[str, Any]) -> None:
    assert validator_of(schema).is_valid({})


def test_no_schema_is_compiled_in_another_way() -> None:
    files = [each for room in ("ml_service", "services") for each in (ROOT / room).rglob("*.py")]
    compile_ = "Draft202012Validator("
    assert [each.name for each in files if compile_ in each.read_text(encoding="utf-8")] == ["json_schemas.py"]


INNER = {"type": "object", "properties": {"alpha": {}}, "additionalProperties": False}
OUTER = {
    "type": "object",
    "properties": {"style": {}, "one": {"$ref": "#/$defs/inner"}, "many": {"items": {"$ref": "#/$defs/inner"}}},
    "additionalProperties": False,
    "$defs": {"inner": INNER},
}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"stile": 1}, "There is no field 'stile'; did you mean style?"),
        ({"stile": 1, "x": 2}, "There is no field 'stile'; did you mean style? There is no field 'x'."),
        ({"one": {"alfa": 1}}, "There is no field 'alfa'; did you mean alpha?"),
        ({"many": [{"alpa": 1}]}, "There is no field 'alpa'; did you mean alpha?"),
        ([], '[] is not of type "object"'),
    ],
)
def test_an_unknown_field_is_answered_with_the_nearest_of_its_object(value: object, message: str) -> None:
    (error,) = validator_of(OUTER).iter_errors(value)
    assert message_of(error, OUTER) == message
