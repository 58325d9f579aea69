"""An output of a type is encoded as the schema says that was made of the type, whatever the type."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import ipaddress
import json
import re
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pydantic.dataclasses
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import (
    UUID4,
    AnyUrl,
    Base64Bytes,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyAddress,
    Json,
    PlainSerializer,
    PostgresDsn,
    computed_field,
    create_model,
    field_serializer,
    model_serializer,
)
from typing_extensions import TypedDict

from ml_service.runtime.author import typed
from ml_service.runtime.child.outputs import InvalidOutput
from ml_service.runtime.child.typed_outputs import typed_encoder

DAY = dt.timedelta(days=1)


def encoded(hint: Any, value: Any) -> Any:
    """What `predict -> hint` stores for a value, which has been checked against the schema."""
    output = typed.output_of(hint, is_batch=False)
    return json.loads(typed_encoder(output.adapter, output.schema, 2**20).encode(value))


class Hue(enum.Enum):
    RED = "red"


class Epoch(enum.Enum):
    FIRST = dt.date(1970, 1, 1)


class Waypoint(NamedTuple):
    x: int
    took: dt.timedelta


class Row(TypedDict):
    took: dt.timedelta


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    age: dt.timedelta


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    weight: decimal.Decimal


@dataclasses.dataclass
class Nested:
    took: dt.timedelta
    data: bytes = b"\xff"


class Tree(BaseModel):
    leaves: list[Tree] = []
    data: bytes = b"\xfe"


AS_TEXT = Annotated[int, PlainSerializer(str, return_type=str, when_used="json")]
TYPES: list[tuple[Any, Any, Any]] = [
    (dt.timedelta, dt.timedelta(hours=1), "PT1H"),
    (dt.datetime, dt.datetime(2026, 1, 31, tzinfo=dt.UTC), "2026-01-31T00:00:00Z"),
    (dt.date, dt.date(2026, 1, 31), "2026-01-31"),
    (dt.time, dt.time(12, 30), "12:30:00"),
    (decimal.Decimal, decimal.Decimal("1.50"), "1.50"),
    (decimal.Decimal, decimal.Decimal("1E+3"), "1E+3"),
    (AnyUrl, AnyUrl("https://example.com/a"), "https://example.com/a"),
    (ipaddress.IPv4Address, ipaddress.ip_address("192.0.2.1"), "192.0.2.1"),
    (ipaddress.IPv6Network, ipaddress.ip_network("2001:db8::/32"), "2001:db8::/32"),
    (uuid.UUID, uuid.UUID(int=5), "00000000-0000-0000-0000-000000000005"),
    (Path, Path("/a/b"), "/a/b"),
    (re.Pattern[str], re.compile("a+"), "a+"),
    (complex, 1 + 2j, "1+2j"),
    (Hue, Hue.RED, "red"),
    (Epoch, Epoch.FIRST, "1970-01-01"),
    (set[str], {"c", "a", "b"}, ["a", "b", "c"]),
    (frozenset[dt.date], frozenset({dt.date(2026, 1, 31)}), ["2026-01-31"]),
    (tuple[int, dt.timedelta], (1, DAY), [1, "P1D"]),
    (Waypoint, Waypoint(1, DAY), [1, "P1D"]),
    (Row, {"took": DAY}, {"took": "P1D"}),
    (collections.deque[dt.timedelta], collections.deque([DAY]), ["P1D"]),
    (Iterable[dt.timedelta], [DAY], ["P1D"]),
    (bytes, b"\xff\xfe", "//4="),
    (bytes | str, "text", "text"),
    (str | bytes, b"\xff", "/w=="),
    (Base64Bytes, b"\xff\xfe", "//4="),
    (Json[int], 5, 5),
    (dict[dt.timedelta, int], {DAY: 1}, {"P1D": 1}),
    (dict[decimal.Decimal, bytes], {decimal.Decimal("1E+3"): b"\xff"}, {"1E+3": "/w=="}),
    (Mapping[Hue, dt.timedelta], {Hue.RED: DAY}, {"red": "P1D"}),
    (dt.timedelta | None, DAY, "P1D"),
    (dt.timedelta | None, None, None),
    (int | dt.timedelta | str, DAY, "P1D"),
    (Nested, Nested(DAY), {"took": "P1D", "data": "/w=="}),
    (Tree, Tree(leaves=[Tree()]), {"leaves": [{"leaves": [], "data": "/g=="}], "data": "/g=="}),
    (Cat | Dog, Dog(weight=decimal.Decimal(4)), {"kind": "dog", "weight": "4"}),
    (Annotated[Cat | Dog, Field(discriminator="kind")], Cat(age=DAY), {"kind": "cat", "age": "P1D"}),
    (AS_TEXT, 3, "3"),
    (Annotated[int, PlainSerializer(lambda value: f"<{value}>")], 3, "<3>"),
    (Any, [DAY, b"\xff", np.arange(2)], [86_400.0, "/w==", [0, 1]]),
    (dict[str, Any], {"v": np.float32(0.5)}, {"v": 0.5}),
]


@pytest.mark.parametrize(("kind", "value", "expected"), TYPES, ids=[str(place) for place in range(len(TYPES))])
@pytest.mark.parametrize("holder", ["model", "dataclass", "pydantic dataclass"])
def test_each_type_is_encoded_as_its_schema_says(holder: str, kind: Any, value: Any, expected: Any) -> None:
    held: Any = dataclasses.make_dataclass("Held", [("x", kind), ("more", list[kind])])
    if holder == "model":
        held = create_model("Held", x=(kind, ...), more=(list[kind], ...))
        output = held.model_construct(x=value, more=[value])
    else:
        held = pydantic.dataclasses.dataclass(held) if holder == "pydantic dataclass" else held
        output = held.__new__(held)  # its own constructor would take Base64Bytes as base64
        output.x, output.more = value, [value]
    assert encoded(held, output) == {"x": expected, "more": [expected]}


LEAVES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (dt.timedelta, st.timedeltas()),
    (dt.datetime, st.datetimes(timezones=st.sampled_from([dt.UTC, None]))),
    (decimal.Decimal, st.decimals(allow_nan=False, allow_infinity=False)),
    (uuid.UUID, st.uuids()),
    (ipaddress.IPv4Address, st.ip_addresses(v=4)),
    (Hue, st.just(Hue.RED)),
    (bytes, st.binary()),
    (int, st.integers(-(2**63), 2**64 - 1)),
    (float, st.floats(allow_nan=False, allow_infinity=False)),
    (bool, st.booleans()),
    (dt.date, st.dates()),
    (dt.time, st.times(timezones=st.sampled_from([dt.UTC, None]))),
    (ipaddress.IPv6Network, st.ip_addresses(v=6).map(ipaddress.IPv6Network)),
    (AnyUrl, st.text(min_size=1).map(lambda text: AnyUrl.build(scheme="https", host="example.com", query=text))),
]
Typed = tuple[Any, st.SearchStrategy[Any]]


def _around(inner: st.SearchStrategy[Typed]) -> st.SearchStrategy[Typed]:
    return st.one_of(
        inner.map(lambda one: (list[one[0]], st.lists(one[1], max_size=3))),  # type: ignore[name-defined]
        inner.map(lambda one: (dict[str, one[0]], st.dictionaries(st.sampled_from("abc"), one[1]))),  # type: ignore[name-defined]
        inner.map(lambda one: (one[0] | None, st.none() | one[1])),
        st.tuples(inner, inner).map(lambda two: (tuple[two[0][0], two[1][0]], st.tuples(two[0][1], two[1][1]))),  # type: ignore[name-defined]
        inner.map(_in_a_model),
    )


def _in_a_model(one: Typed) -> Typed:
    held = create_model("Held", value=(one[0], ...))
    return held, one[1].map(lambda value: held.model_construct(value=value))


@given(st.data())
def test_whatever_is_nested_in_whatever_fits_the_announced_schema(data: st.DataObject) -> None:
    kind, values = data.draw(st.recursive(st.sampled_from(LEAVES), _around, max_leaves=4))
    held: Any = create_model("Held", x=(kind, ...))
    encoded(held, held.model_construct(x=data.draw(values)))


class Said(BaseModel):
    """Says itself how it is written."""

    size: int = Field(serialization_alias="size-of-it")

    @field_serializer("size")
    def written(self, value: int):  # type: ignore[no-untyped-def]  # noqa: ANN201
        return f"{value} m"

    @computed_field
    def twice(self) -> decimal.Decimal:
        return decimal.Decimal(2 * self.size)


class Whole(BaseModel):
    size: int

    @model_serializer
    def written(self):  # type: ignore[no-untyped-def]  # noqa: ANN201
        return {"all": self.size}


class Options(BaseModel):
    model_config = ConfigDict(extra="allow", ser_json_timedelta="float", ser_json_bytes="hex")
    took: dt.timedelta
    data: bytes


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (Said(size=2), {"size-of-it": "2 m", "twice": "4"}),
        (Whole(size=2), {"all": 2}),
        (Options(took=DAY, data=b"\xff", more=b"\xfe"), {"took": 86_400.0, "data": "/w==", "more": "/g=="}),  # type: ignore[call-arg]
    ],
)
def test_serializers_and_options_of_the_authors_own_are_followed(output: BaseModel, expected: Any) -> None:
    assert encoded(type(output), output) == expected


@dataclasses.dataclass
class Measured:
    vector: list[float]
    took: dt.timedelta
    parts: list[Cat]


def test_what_is_not_of_its_type_is_encoded_by_what_it_is() -> None:
    loose: Any = Measured(np.arange(2.0), DAY, [{"kind": "cat", "age": DAY}])  # type: ignore[arg-type, list-item]
    expected = {"vector": [0.0, 1.0], "took": "P1D", "parts": [{"kind": "cat", "age": "P1D"}]}
    assert encoded(Measured, loose) == expected
    assert encoded(Measured, vars(loose)) == expected


NOT_OF_THE_TYPE: list[tuple[Any, Any]] = [
    (dt.date, "many"),
    (dt.date, "2026-02-30"),
    (dt.date | None, "many"),
    (dt.datetime, "yesterday"),
    (dt.time, "25:00"),
    (dt.timedelta, "long"),
    (dt.timedelta, "PT"),
    (dict[str, dt.timedelta], {"a": "long"}),
    (uuid.UUID, "x"),
    (UUID4, "x"),
    (ipaddress.IPv4Address, "999"),
    (ipaddress.IPv6Address, "::g"),
    (ipaddress.IPv6Network, "::/129"),
    (IPvAnyAddress, "1.2.3"),
    (AnyUrl, "nope"),
    (PostgresDsn, "nope"),
]


@pytest.mark.parametrize(("kind", "value"), NOT_OF_THE_TYPE, ids=[str(place) for place in range(len(NOT_OF_THE_TYPE))])
def test_a_text_is_held_to_the_format_of_its_type(kind: Any, value: Any) -> None:
    as_dict = create_model("Held", x=(kind, ...))
    for output in as_dict.model_construct(x=value), {"x": value}:
        with pytest.raises(InvalidOutput, match="is not a"):
            encoded(as_dict, output)
    held: Any = dataclasses.make_dataclass("Held", [("x", kind)])
    with pytest.raises(InvalidOutput, match="is not a"):
        encoded(held, held(value))


def test_a_format_that_an_author_writes_by_hand_is_a_remark() -> None:
    held: Any = create_model("Held", x=(Annotated[str, Field(json_schema_extra={"format": "hostname"})], ...))
    assert encoded(held, held(x="not a host")) == {"x": "not a host"}


def test_bytes_stay_base64_where_something_else_is_not_of_its_type() -> None:
    held: Any = dataclasses.make_dataclass("Held", [("vector", list[float]), ("data", bytes)])
    assert encoded(held, held(np.arange(2.0), b"hi")) == {"vector": [0.0, 1.0], "data": "aGk="}


def test_bytes_that_no_type_names_are_base64_too() -> None:
    loose: Any = {"all": 1, "data": b"hi"}
    assert encoded(Loose, loose) == {"all": 1, "data": "aGk="}


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_what_json_cannot_hold_is_refused_also_where_it_has_no_type(value: object) -> None:
    loose: Any = {"all": 1, "x": value}
    with pytest.raises(InvalidOutput, match=r"in output\.x"):
        encoded(Loose, loose)


class Loose(BaseModel):
    all: int


class Failing(BaseModel):
    size: int

    @field_serializer("size")
    def written(self, value: int) -> str:
        raise KeyError(value)


def test_what_a_serializer_raises_is_the_models_own_error() -> None:
    with pytest.raises(KeyError):
        encoded(Failing, Failing(size=1))


def test_a_value_without_a_json_form_is_named_with_its_place() -> None:
    held: Any = dataclasses.make_dataclass("Held", [("x", Any)])
    with pytest.raises(InvalidOutput, match=r"a set \(\{1\}\) in output\.x\[0\]"):
        encoded(held, held([{1}]))


def test_a_class_keeps_its_own_serializer() -> None:
    encoded(Nested, Nested(DAY))
    encoded(Tree, Tree())
    assert Tree(data=b"hi").model_dump_json() == '{"leaves":[],"data":"hi"}'
