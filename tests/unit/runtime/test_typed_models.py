"""The types of `predict` make both schemas, the defaults and an example, or the mistake in them is named."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from typing import Annotated, Any, ClassVar, Literal

import jsonschema_rs
import pytest
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

from ml_service.runtime.author import Context, Model, PredictionFailure
from ml_service.runtime.author.schemas import plain_schema
from ml_service.runtime.author.signature import WrongSignature, call_form
from ml_service.runtime.host.declarations import WrongDeclaration, spec_of


class TypedModel(Model):
    name = "typed"
    version = "1"
    description = "For tests."


class Answer(BaseModel):
    label: Literal["a", "b"]
    scores: dict[str, float]


@dataclasses.dataclass
class Town:
    city: str
    zip_code: str | None = None


class Question(BaseModel):
    text: str


class TownSize(enum.Enum):
    SMALL = "small"
    LARGE = "large"


class Node(BaseModel):
    value: int
    children: list[Node] = []


def test_fields_make_the_input_schema_and_what_is_returned_the_output_schema() -> None:
    class Fields(TypedModel):
        def predict(self, text: Annotated[str, Field(min_length=1, description="What?")], n: int = 3) -> Answer:
            raise NotImplementedError

    spec = spec_of(Fields)
    assert spec.input_schema == {
        "type": "object",
        "properties": {
            "text": {"type": "string", "minLength": 1, "description": "What?"},
            "n": {"type": "integer", "default": 3},
        },
        "required": ["text"],
        "additionalProperties": False,
    }
    assert spec.output_schema["properties"]["label"] == {"enum": ["a", "b"], "type": "string"}
    assert spec.examples == ({"text": "An example of a text"},)


def test_what_pydantic_refers_to_stands_where_it_is_used() -> None:
    class Rich(TypedModel):
        def predict(
            self,
            place: Town,
            size: TownSize = TownSize.SMALL,
            color: Literal["red", "green"] | None = None,
            sure: bool | None = None,
            day: dt.date | None = None,
            only: Literal["this"] = "this",
            picture: bytes = b"ab",
            file: Base64Bytes | None = None,
        ) -> Answer:
            raise NotImplementedError

    schema = spec_of(Rich).input_schema
    fields = schema["properties"]
    assert "$defs" not in schema
    assert fields["place"]["properties"]["zip_code"] == {"type": ["string", "null"], "default": None}
    assert fields["size"] == {"enum": ["small", "large"], "type": "string", "default": "small"}
    assert fields["color"] == {"type": ["string", "null"], "enum": ["red", "green", None], "default": None}
    assert fields["sure"] == {"type": ["boolean", "null"], "default": None}
    assert fields["day"] == {"type": ["string", "null"], "format": "date", "default": None}
    assert fields["only"] == {"type": "string", "enum": ["this"], "default": "this"}
    assert fields["picture"] == {"type": "string", "contentEncoding": "base64", "default": "YWI="}
    assert fields["file"] == {"type": ["string", "null"], "contentEncoding": "base64", "default": None}
    jsonschema_rs.Draft202012Validator(schema).validate({"place": {"city": "Omsk"}, "color": None})


def test_a_type_that_contains_itself_keeps_its_definition() -> None:
    schema = plain_schema(Node.model_json_schema())
    validator = jsonschema_rs.Draft202012Validator(schema)
    assert validator.is_valid({"value": 1, "children": [{"value": 2, "children": []}]})
    assert not validator.is_valid({"value": 1, "children": [{"value": "x"}]})


def test_a_title_of_the_authors_own_is_kept() -> None:
    class Titled(BaseModel):
        zip_code: str = Field(title="Postal code")
        city_name: str

    fields = plain_schema(Titled.model_json_schema())["properties"]
    assert fields["zip_code"]["title"] == "Postal code"
    assert "title" not in fields["city_name"]


def test_a_batch_of_the_same_types_has_the_same_schemas() -> None:
    class Batch(TypedModel):
        def predict(self, inputs: list[Question], contexts: list[Context]) -> list[Answer | PredictionFailure]:
            raise NotImplementedError

    form = call_form(Batch)
    assert (form.is_batch, form.context) == (True, "contexts")
    spec = spec_of(Batch)
    assert spec.input_schema == {
        "type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"],
    }  # fmt: skip
    assert spec.output_schema["required"] == ["label", "scores"]


def test_one_object_may_hold_all_fields_and_say_how_an_output_is_shown() -> None:
    class Shown(TypedModel):
        def predict(self, input: Town) -> Label:  # noqa: A002
            raise NotImplementedError

    spec = spec_of(Shown)
    assert spec.input_schema["required"] == ["city"]
    assert spec.view == "label"


class Label(BaseModel):
    model_config = ConfigDict(json_schema_extra={"x-view": "label"})
    label: str


def test_schemas_by_hand_count_more_than_types() -> None:
    class ByHand(TypedModel):
        output_schema: ClassVar[dict[str, Any]] = {"type": "object", "x-view": "json"}
        examples = ({"text": "mine"},)

        def predict(self, text: str) -> Answer:
            raise NotImplementedError

    spec = spec_of(ByHand)
    assert spec.view == "json"
    assert spec.examples == ({"text": "mine"},)


class OwnBusiness(TypedModel):
    """Takes more than a batch, has a type that only a checker knows, and no self."""

    input_schema: ClassVar[dict[str, Any]] = {"type": "object"}
    output_schema: ClassVar[dict[str, Any]] = {"type": "object"}

    @staticmethod
    def predict(rows: list[Any], limit: int = 3, **options: Nowhere) -> list[Any]:  # type: ignore[name-defined]  # noqa: F821
        raise NotImplementedError


def test_a_model_with_schemas_by_hand_may_have_any_further_parameters_and_types() -> None:
    form = call_form(OwnBusiness)
    assert (form.is_batch, form.input_name, form.context) == (True, "rows", None)


def test_without_types_and_schemas_the_missing_schemas_are_named() -> None:
    class Nothing(TypedModel):
        def predict(self, inputs):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            raise NotImplementedError

    with pytest.raises(WrongDeclaration, match="input_schema is missing; output_schema is missing"):
        spec_of(Nothing)


class NoReturn(TypedModel):
    def predict(self, text: str):  # type: ignore[no-untyped-def]  # noqa: ANN201
        raise NotImplementedError


class ScalarOutput(TypedModel):
    def predict(self, text: str) -> str:
        raise NotImplementedError


class NoItem(TypedModel):
    def predict(self, inputs: list) -> list[Answer]:  # type: ignore[type-arg]
        raise NotImplementedError


class ListOfTexts(TypedModel):
    def predict(self, inputs: list[str]) -> list[Answer]:
        raise NotImplementedError


class HalfTyped(TypedModel):
    def predict(self, text: str, n=3) -> Answer:  # type: ignore[no-untyped-def]  # noqa: ANN001
        raise NotImplementedError


class Strange(TypedModel):
    def predict(self, text: Model) -> Answer:
        raise NotImplementedError


class ContextOfBatch(TypedModel):
    def predict(self, inputs: list[Town], context: Context) -> list[Answer]:
        raise NotImplementedError


class RawBytes(TypedModel):
    def predict(self, input: Raw) -> Answer:  # noqa: A002
        raise NotImplementedError


class Raw(BaseModel):
    data: bytes


class OnlyContext(TypedModel):
    def predict(self, context: Context) -> Answer:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (NoReturn, "must say what it returns"),
        (ScalarOutput, "must return a pydantic model or a dataclass"),
        (NoItem, "must have a list for inputs"),
        (ListOfTexts, "must take inputs of a pydantic model"),
        (HalfTyped, "takes n without a type"),
        (Strange, "takes text of a type that has no JSON Schema"),
        (ContextOfBatch, "must be annotated list\\[Context\\]"),
        (RawBytes, "pydantic.Base64Bytes"),
        (OnlyContext, "must take an input"),
    ],
)
def test_each_mistake_is_named(model: type[Model], words: str) -> None:
    with pytest.raises(WrongSignature, match=words):
        spec_of(model)
