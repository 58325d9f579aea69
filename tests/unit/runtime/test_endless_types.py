"""A type that contains itself without an end is refused by name when the model is loaded, and never ends a process."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from ml_service.runtime.author import Model
from ml_service.runtime.author.signature import WrongSignature, call_form
from tests.support.type_aliases import own_alias


class Kept(BaseModel):
    text: str


class Grown:
    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return cls.__get_pydantic_core_schema__(source, handler)


def nested(levels: int) -> Any:
    made: Any = int
    for _ in range(levels):
        made = list[made]
    return made


def fields_model(hint: Any, output: Any = Kept) -> type[Model]:
    def predict(_self: Model, x: Any) -> Any:
        raise NotImplementedError

    return with_hints(predict, {"x": hint, "return": output})


def batch_model(hint: Any) -> type[Model]:
    question = dataclasses.make_dataclass("Question", [("x", hint)])

    def predict(_self: Model, inputs: Any) -> Any:
        raise NotImplementedError

    return with_hints(predict, {"inputs": list[question], "return": list[Kept]})  # type: ignore[valid-type]


def with_hints(predict: Callable[..., Any], hints: dict[str, Any], **more: Any) -> type[Model]:
    predict.__annotations__ = hints
    return type("Endless", (Model,), {"name": "x", "version": "1", "description": "x", "predict": predict, **more})


NOTHING_BUT_ITSELF = "it stands for nothing but itself."
NOTHING_BETWEEN = "it contains itself without a list or an object between."
TOO_DEEP = "it is nested too deeply, or contains itself without end."
ENDLESS: list[tuple[Any, str]] = [
    (own_alias("A"), NOTHING_BUT_ITSELF),
    (own_alias("Annotated[A, 1]", Annotated=Annotated), NOTHING_BUT_ITSELF),
    (dict[str, own_alias("A")], NOTHING_BUT_ITSELF),  # type: ignore[misc]
    (own_alias("A | None"), NOTHING_BETWEEN),
    (own_alias("A | int"), NOTHING_BETWEEN),
    (list[own_alias("list[A] | dict[str, A] | A | int")], NOTHING_BETWEEN),  # type: ignore[misc]
    (Grown, TOO_DEEP),
]
CASES = pytest.mark.parametrize(("hint", "words"), ENDLESS, ids=[str(place) for place in range(len(ENDLESS))])


@CASES
def test_a_field_without_an_end_is_named(hint: Any, words: str) -> None:
    with pytest.raises(WrongSignature) as refused:
        call_form(fields_model(hint))
    assert str(refused.value) == f"predict takes x of a type that has no JSON Schema: {words}"


@CASES
def test_a_field_without_an_end_is_named_in_a_class_too(hint: Any, words: str) -> None:
    with pytest.raises(WrongSignature) as refused:
        call_form(batch_model(hint))
    assert str(refused.value) == f"predict takes inputs of a type that has no JSON Schema for x: {words}"


@CASES
def test_an_output_without_an_end_is_refused(hint: Any, words: str) -> None:
    with pytest.raises(WrongSignature) as refused:
        call_form(fields_model(str, hint))
    assert str(refused.value) == f"predict returns a type that has no JSON Schema: {words}"


def test_a_type_too_deep_to_be_looked_through_is_refused() -> None:
    # Where that is found depends on the version of Python.
    with pytest.raises(WrongSignature, match=r"nested too deeply|cannot be read"):
        call_form(fields_model(nested(400)))


def test_types_beside_schemas_by_hand_may_have_no_end() -> None:
    def predict(_self: Model, inputs: Any) -> Any:
        raise NotImplementedError

    schemas = {"input_schema": {"type": "object"}, "output_schema": {"type": "object"}}
    assert call_form(with_hints(predict, {"inputs": own_alias("A")}, **schemas)).is_batch


@pytest.mark.parametrize("value", [1, [1, [2, {"a": [3]}]], {"a": {"b": []}}])
def test_a_type_that_contains_itself_in_a_list_or_an_object_is_read(value: Any) -> None:
    form = call_form(fields_model(own_alias("dict[str, A] | list[A] | int")))
    assert form.read is not None
    assert form.read(json.dumps({"x": value})) == {"x": value}
