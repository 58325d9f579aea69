"""Each type of an input works with the schema that is announced for it, or is refused when the model is loaded."""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import inspect
import ipaddress
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jsonschema_rs
import pytest
from pydantic import (
    AliasChoices,
    AliasPath,
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    Json,
    PlainSerializer,
    SecretStr,
    create_model,
)

from ml_service.runtime.author import Model
from ml_service.runtime.author.signature import CallForm, WrongSignature, call_form
from ml_service.runtime.host.declarations import spec_of

NOTHING = inspect.Parameter.empty
DAY = dt.timedelta(days=1)


class Feeling(enum.Enum):
    GOOD = "good"


class Tone(enum.StrEnum):
    WARM = "warm"


class Dated(enum.Enum):
    FIRST = dt.date(1970, 1, 1)


class Pair(NamedTuple):
    x: int
    y: str = "b"


class Hen(BaseModel):
    kind: Literal["hen"] = "hen"
    age: dt.timedelta = DAY


class Pig(BaseModel):
    kind: Literal["pig"] = "pig"
    weight: decimal.Decimal


@dataclasses.dataclass
class Inside:
    day: dt.date
    mood: Feeling = Feeling.GOOD


@dataclasses.dataclass
class Outside:
    inside: Inside
    more: list[Inside] = dataclasses.field(default_factory=list)


class Aliased(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    size: int = Field(alias="Size")


def fields_model(hint: Any, default: Any = NOTHING) -> type[Model]:
    """A model with one field, called x."""

    def predict(self: Any, **fields: Any) -> Any:
        raise NotImplementedError

    parameters = [
        inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD),
        inspect.Parameter("x", inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hint),
    ]
    predict.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return with_predict(predict, x=hint)


def batch_model(hint: Any, default: Any = NOTHING) -> type[Model]:
    """A model that takes batches of a class with one field, called x."""
    question = create_model("Question", x=(hint, ... if default is NOTHING else default))

    def predict(self: Any, inputs: Any) -> Any:
        raise NotImplementedError

    return with_predict(predict, inputs=list[question])  # type: ignore[valid-type]


def with_predict(predict: Callable[..., Any], **hints: Any) -> type[Model]:
    predict.__annotations__ = {**hints, "return": Any}
    declared = {"name": "typed", "version": "1", "description": "For tests.", "output_schema": {"type": "object"}}
    return type("Typed", (Model,), {**declared, "predict": predict})


FORMS = pytest.mark.parametrize("model", [fields_model, batch_model])


def read(form: CallForm, value: Any) -> Any:
    """What `predict` gets for an input that the API would accept."""
    assert form.read is not None
    assert form.input_schema is not None
    jsonschema_rs.Draft202012Validator(form.input_schema).validate(value)
    got = form.read(json.dumps(value))
    return got["x"] if isinstance(got, dict) else got.x


GIVEN: list[tuple[Any, Any, Any]] = [
    (dt.date, "2026-01-31", dt.date(2026, 1, 31)),
    (dt.timedelta, "P1D", DAY),
    (decimal.Decimal, "1.50", decimal.Decimal("1.50")),
    (decimal.Decimal, 1.5, decimal.Decimal("1.5")),
    (uuid.UUID, str(uuid.UUID(int=5)), uuid.UUID(int=5)),
    (Path, "a/b", Path("a/b")),
    (HttpUrl, "https://example.com/", HttpUrl("https://example.com/")),
    (ipaddress.IPv4Address, "192.0.2.1", ipaddress.ip_address("192.0.2.1")),
    (Feeling, "good", Feeling.GOOD),
    (Literal[Tone.WARM], "warm", Tone.WARM),
    (set[dt.date], ["2026-01-31"], {dt.date(2026, 1, 31)}),
    (tuple[int, str], [1, "a"], (1, "a")),
    (Pair, [1, "a"], Pair(1, "a")),
    (collections.deque[int], [1], collections.deque([1])),
    (dict[Feeling, dt.timedelta], {"good": "P1D"}, {Feeling.GOOD: DAY}),
    (dt.timedelta | None, None, None),
    (int | dt.timedelta, "P1D", DAY),
    (Hen | Pig, {"kind": "pig", "weight": 2}, Pig(weight=decimal.Decimal(2))),
    (Annotated[Hen | Pig, Field(discriminator="kind")], {"kind": "hen"}, Hen()),
    (Outside, {"inside": {"day": "2026-01-31"}}, Outside(Inside(dt.date(2026, 1, 31)))),
    (Aliased, {"Size": 3}, Aliased(Size=3)),
    (Json[list[int]], "[1]", [1]),
    (SecretStr, "mine", SecretStr("mine")),
    (Annotated[int, PlainSerializer(str)], 3, 3),
    (Base64Bytes, base64.b64encode(b"\xff\xfe>").decode(), b"\xff\xfe>"),
    (list[Base64Bytes] | None, [base64.b64encode(b"hello").decode()], [b"hello"]),
]


@FORMS
@pytest.mark.parametrize(("hint", "value", "expected"), GIVEN, ids=[str(place) for place in range(len(GIVEN))])
def test_what_fits_the_announced_schema_arrives_in_its_type(
    model: Callable[..., type[Model]], hint: Any, value: Any, expected: Any
) -> None:
    assert read(call_form(model(hint)), {"x": value}) == expected
    assert spec_of(model(hint, None)).input_schema["properties"].keys() == {"x"}


def test_bytes_among_fields_are_base64_once() -> None:
    assert read(call_form(fields_model(bytes)), {"x": "//4="}) == b"\xff\xfe"
    announced = spec_of(fields_model(Base64Bytes, b"\xff\xfe")).input_schema["properties"]["x"]
    assert announced == {"type": "string", "contentEncoding": "base64", "default": "//4="}


DEFAULTS: list[tuple[Any, Any, Any]] = [
    (dt.date, dt.date(2026, 1, 31), "2026-01-31"),
    (dt.datetime, dt.datetime(2026, 1, 31, tzinfo=dt.UTC), "2026-01-31T00:00:00Z"),
    (dt.timedelta, DAY, "P1D"),
    (decimal.Decimal, decimal.Decimal("1.50"), "1.50"),
    (uuid.UUID, uuid.UUID(int=5), str(uuid.UUID(int=5))),
    (Path, Path("a/b"), "a/b"),
    (Feeling, Feeling.GOOD, "good"),
    (set[str], {"c", "a", "b"}, ["a", "b", "c"]),
    (frozenset[str] | None, frozenset({"b", "a"}), ["a", "b"]),
    (tuple[int, dt.timedelta], (1, DAY), [1, "P1D"]),
    (dict[str, dt.date], {"a": dt.date(2026, 1, 31)}, {"a": "2026-01-31"}),
    (Hen, Hen(), {"kind": "hen", "age": "P1D"}),
    (Inside, Inside(dt.date(2026, 1, 31)), {"day": "2026-01-31", "mood": "good"}),
    (int | None, None, None),
    (int, Field(3, ge=1), 3),
    (Annotated[int, Field(alias="X-x")], 3, 3),
]


@FORMS
@pytest.mark.parametrize(("hint", "default", "announced"), DEFAULTS, ids=[str(n) for n in range(len(DEFAULTS))])
def test_an_announced_default_may_be_sent_and_means_the_same(
    model: Callable[..., type[Model]], hint: Any, default: Any, announced: Any
) -> None:
    form = call_form(model(hint, default))
    assert form.input_schema is not None
    ((name, field),) = form.input_schema["properties"].items()
    assert field["default"] == announced
    assert read(form, {name: announced}) == read(form, {})
    assert form.examples == [{}]


UNANNOUNCED: list[tuple[Any, Any]] = [
    (int, None),
    (int, "three"),
    (Annotated[int, Field(ge=5)], 1),
    (float, float("nan")),
    (str, "\ud800"),
    (str | bytes, b"\xff"),
    (SecretStr, SecretStr("mine")),
    (Any, DAY),
    (Json[int], 5),
    (decimal.Decimal, decimal.Decimal("1E+3")),
    (list[int], Field(default_factory=list)),
]


@pytest.mark.parametrize(("hint", "default"), UNANNOUNCED, ids=[str(n) for n in range(len(UNANNOUNCED))])
def test_a_default_that_a_client_cannot_send_is_filled_in_and_not_announced(hint: Any, default: Any) -> None:
    model = fields_model(hint, default)
    assert "default" not in spec_of(model).input_schema["properties"]["x"]
    left_out = read(call_form(model), {})
    assert repr(left_out) == repr([] if hint == list[int] else default)


REFUSED: list[tuple[Any, str]] = [
    (Dated, "takes x of an Enum or a Literal whose values are none of JSON"),
    (list[Dated] | None, "takes x of an Enum or a Literal whose values are none of JSON"),
    (Literal[Feeling.GOOD], "takes x of an Enum or a Literal whose values are none of JSON"),
    (Literal[b"a"], "takes x of an Enum or a Literal whose values are none of JSON"),
    (dict[tuple[int, int], int], "takes x with keys that cannot be texts"),
    (type[int], "takes x of a class"),
    (Annotated[int, Field(validation_alias=AliasPath("a", 0))], "takes x by an AliasPath alone"),
    (Callable[[], int], "a type without a JSON Schema for x"),
]


@FORMS
@pytest.mark.parametrize(("hint", "words"), REFUSED, ids=[str(place) for place in range(len(REFUSED))])
def test_a_type_that_no_json_can_be_is_refused(model: Callable[..., type[Model]], hint: Any, words: str) -> None:
    with pytest.raises(WrongSignature, match=words):
        call_form(model(hint))


class Variable(Model):
    def predict(self, *texts: str) -> Hen:
        raise NotImplementedError


class Unnamed(Model):
    def predict(self, text: str, /) -> Hen:
        raise NotImplementedError


class Reserved(Model):
    def predict(self, model_config: str) -> Hen:
        raise NotImplementedError


class Unknown(Model):
    def predict(self, n: int, other: Model) -> Hen:
        raise NotImplementedError


class Odd(BaseModel):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    deep: list[Model]


class UnknownOutput(Model):
    def predict(self, n: int) -> Odd:
        raise NotImplementedError


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Variable, "predict must take texts so that it can be given by name"),
        (Unnamed, "predict must take text so that it can be given by name"),
        (Reserved, "takes model_config, a name that pydantic keeps for itself"),
        (Unknown, r"takes other of a type that has no JSON Schema: Unable to generate .*Model'>\.$"),
        (UnknownOutput, "has a type without a JSON Schema for deep"),
    ],
)
def test_a_parameter_that_cannot_be_given_is_named(model: type[Model], words: str) -> None:
    with pytest.raises(WrongSignature, match=words):
        call_form(model)


@pytest.mark.parametrize(
    ("hint", "example"),
    [
        (decimal.Decimal, 0.5),
        (tuple[int, str], [1, "An example of a text"]),
        (ipaddress.IPv6Address, "2001:db8::1"),
        (Annotated[Hen | Pig, Field(discriminator="kind")], {"kind": "hen"}),
        (int | str, 1),
        (Base64Bytes, "aGVsbG8="),
        (Annotated[int, Field(validation_alias=AliasChoices("a", "b"))], None),
    ],
)
def test_an_example_is_made_for_what_has_no_default(hint: Any, example: Any) -> None:
    assert call_form(fields_model(hint)).examples == ([{"a": 1}] if example is None else [{"x": example}])
