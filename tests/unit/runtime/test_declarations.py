"""What a model's class declares is announced, or each mistake is named."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from ml_service.domain.models import ModelSpec
from ml_service.runtime.author import Model
from ml_service.runtime.author.model import DECLARATIONS
from ml_service.runtime.host.declarations import WrongDeclaration, spec_of

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


class Fine(Model):
    name = "fine"
    version = "1.2"
    description = "One\n    paragraph."
    input_schema: ClassVar[dict[str, Any]] = TEXT
    output_schema: ClassVar[dict[str, Any]] = TEXT
    examples = ({"text": "hello"},)


def test_descriptions_in_other_languages_are_announced() -> None:
    class Told(Fine):
        descriptions: ClassVar[dict[str, str]] = {"ru": "Один\n  абзац."}

    spec = spec_of(Told)
    assert spec.descriptions == {"ru": "Один абзац."}
    assert (spec.description_in("ru"), spec.description_in("en")) == ("Один абзац.", "One paragraph.")


@pytest.mark.parametrize(
    ("descriptions", "words"),
    [
        ("text", "must be texts by language"),
        ({"Russian": "x"}, "codes of languages"),
        ({"ru": ""}, "in 'ru' must be a text"),
        ({"ru": "\0"}, "cannot be stored"),
        ({1: "x"}, "codes of languages"),
    ],
)
def test_descriptions_that_cannot_be_are_named(descriptions: Any, words: str) -> None:
    wrong = type("Wrong", (Fine,), {"descriptions": descriptions})
    with pytest.raises(WrongDeclaration, match=words):
        spec_of(wrong)


def test_a_class_announces_what_it_declares_and_the_defaults() -> None:
    expected = ModelSpec(
        name="fine",
        version="1.2",
        description="One paragraph.",
        price_credits=1,
        input_schema=TEXT,
        output_schema=TEXT,
        batch_size=32,
        timeout_s=30.0,
        pool="default",
        examples=({"text": "hello"},),
    )
    assert expected == spec_of(Fine)


@pytest.mark.parametrize(
    ("attribute", "value", "problem"),
    [
        ("name", "Fine One", "name must be lower case letters, digits and hyphens, is 'Fine One'"),
        ("name", 3, "name must be a text, is 3"),
        ("version", "", "version must be a text, is ''"),
        ("version", "v" * 65, "version must be at most 64 characters, has 65"),
        ("version", "1.0 ", "version must not begin or end with a blank, is '1.0 '"),
        ("version", "1\n2", "version must be visible characters (Unicode NFC) without / ? # % \\, is '1\\n2'"),
        ("version", "1\u200b", "version must be visible characters"),
        ("version", "e\u0301", "version must be visible characters"),
        ("version", "2026/11", "version must be visible characters"),
        ("description", None, "description is missing"),
        ("description", "a\0b", "description has characters that cannot be stored"),
        ("description", "\ud800", "description has characters that cannot be stored"),
        ("price_credits", -1, "price_credits must be from 0 to 1,000,000,000, is -1"),
        ("price_credits", 0.5, "price_credits must be a whole number, is 0.5"),
        ("price_credits", True, "price_credits must be a whole number, is True"),
        ("batch_size", 0, "batch_size must be from 1 to 1,024, is 0"),
        ("batch_wait_ms", "5", "batch_wait_ms must be a number, is '5'"),
        ("timeout_s", 3600, "timeout_s must be from 0.01 to 600, is 3600"),
        ("timeout_s", float("nan"), "timeout_s must be from 0.01 to 600, is nan"),
        ("pool", "GPU", "pool must be lower case letters, digits and hyphens, is 'GPU'"),
        ("memory_bytes_max", 1, "memory_bytes_max must be from 33,554,432"),
        ("input_schema", [], "input_schema must be a JSON Schema (a dict), is []"),
        ("input_schema", {"type": "array"}, 'input_schema must be a JSON Schema with "type": "object"'),
        ("output_schema", {"type": "object", "required": 3}, "output_schema is no valid JSON Schema"),
        (
            "input_schema",
            {"type": "object", "$ref": "https://nowhere.invalid/x"},
            "input_schema is no valid JSON Schema",
        ),
        ("input_schema", {"type": "object", "const": float("nan")}, "input_schema has something that JSON cannot hold"),
        ("input_schema", {"type": "object", "enum": [{1, 2}]}, "input_schema has something that JSON cannot hold"),
        ("input_schema", {"type": "object", "title": "\ud800"}, "input_schema has something that JSON cannot hold"),
        ("output_schema", {"type": "object", "title": "a\0"}, "output_schema has a NUL character"),
        (
            "input_schema",
            {"type": "object", "enum": ["x" * 200_000]},
            "input_schema must be at most 200,000 characters as JSON, has 200,032",
        ),
        ("examples", [{"text": "x" * 200_000}], "examples must be at most 200,000 characters as JSON"),
        ("examples", [{"text": "x", "n": float("inf")}], "examples has something that JSON cannot hold"),
        ("examples", {"text": "x"}, "examples must be a list of inputs (dicts)"),
        ("examples", [{"text": 1}], "examples[0] does not fit input_schema"),
    ],
)
def test_each_mistake_is_named_with_its_attribute(attribute: str, value: object, problem: str) -> None:
    with pytest.raises(WrongDeclaration) as raised:
        spec_of(type("Wrong", (Fine,), {attribute: value}))
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(WrongDeclaration, match=r"version is missing.*input_schema is missing"):
        spec_of(type("Empty", (Model,), {"name": "empty"}))


STRANGE = {
    "None": None,
    "True": True,
    "NaN": float("nan"),
    "-inf": float("-inf"),
    "long": 10**400,
    "longer": -(10**5000),
    "text": "x" * 10**6,
    "list": [None],
    "dict": {"x": None},
    "object": object(),
}


@pytest.mark.parametrize("attribute", DECLARATIONS)
@pytest.mark.parametrize("value", STRANGE.values(), ids=STRANGE)
def test_whatever_an_attribute_holds_is_announced_or_named(attribute: str, value: object) -> None:
    wrong = type("Wrong", (Fine,), {attribute: value})
    if value is None and attribute in {"load_timeout_s", "memory_bytes_max", "output_bytes_max"}:
        assert spec_of(wrong) == spec_of(Fine)
        return
    with pytest.raises(WrongDeclaration, match=attribute) as raised:
        spec_of(wrong)
    assert len(str(raised.value)) < 1000
