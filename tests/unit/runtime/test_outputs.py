"""What a model returns is stored as JSON that any client can read, or the message says what is wrong with it."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import json
import uuid
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import orjson
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_service.runtime.child.outputs import DEPTH_MAX, InvalidOutput, OutputEncoder

ANY = {"type": "object"}


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Mood(enum.StrEnum):
    GOOD = "good"


class Text(str):
    __slots__ = ()


@dataclasses.dataclass
class Box:
    corner: tuple[float, float]
    label: Color


class Pet(pydantic.BaseModel):
    name: str
    born: dt.date


class Attachments(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")

    one: pydantic.Base64Bytes
    more: list[pydantic.Base64UrlBytes | None]
    by_name: dict[str, Attachments] = pydantic.Field(default={}, serialization_alias="byName")
    raw: bytes = b"\xff"


class Point(NamedTuple):
    x: int
    y: int


def encoded(value: Any, schema: Any = ANY, output_bytes_max: int = 2**20) -> Any:
    return json.loads(OutputEncoder(schema, output_bytes_max).encode(value))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("déjà 😀", "déjà 😀"),
        (2**64 - 1, 2**64 - 1),
        (-(2**63), -(2**63)),
        (np.float32(0.5), 0.5),
        (np.float64(0.25), 0.25),
        (np.int64(7), 7),
        (np.uint64(2**64 - 1), 2**64 - 1),
        (np.longdouble(0.5), 0.5),
        (np.array([np.longdouble(0.5)]), [0.5]),
        (np.bool_(1), True),
        (np.str_("text"), "text"),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.array(3.5), 3.5),
        (np.datetime64("2026-01-02T03:04:05"), "2026-01-02T03:04:05"),
        ([np.float32(1), {"deep": np.arange(2)}], [1.0, {"deep": [0, 1]}]),
        ((1, 2), [1, 2]),
        (range(3), [0, 1, 2]),
        (collections.deque([1]), [1]),
        (Point(1, 2), [1, 2]),
        (collections.OrderedDict(a=1), {"a": 1}),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC), "2026-01-02T03:04:05+00:00"),
        (dt.date(2026, 1, 2), "2026-01-02"),
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(minutes=1.5), 90.0),
        (b"\x00\xff", "AP8="),
        (bytearray(b"a"), "YQ=="),
        (memoryview(b"a"), "YQ=="),
        (decimal.Decimal("1.5"), 1.5),
        (decimal.Decimal(12), 12),
        (uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (PurePosixPath("a/b"), "a/b"),
        (Color.RED, "red"),
        (Level.HIGH, 3),
        (Mood.GOOD, "good"),
        (Text("text"), "text"),
        (Box((0.0, 1.0), Color.RED), {"corner": [0.0, 1.0], "label": "red"}),
        (Pet(name="Tom", born=dt.date(2020, 1, 1)), {"name": "Tom", "born": "2020-01-01"}),
        ({1: "a", np.int64(2): "b", Color.RED: "c"}, {"1": "a", "2": "b", "red": "c"}),
        ("\\u0000", "\\u0000"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_with_an_obvious_json_form_are_converted(value: Any, expected: Any) -> None:
    assert {"value": expected} == encoded({"value": value})


def test_a_dataclass_and_a_pydantic_model_may_be_the_output_itself() -> None:
    assert encoded(Box((0, 1), Color.RED)) == {"corner": [0, 1], "label": "red"}
    assert encoded(Pet(name="Tom", born=dt.date(2020, 1, 1))) == {"name": "Tom", "born": "2020-01-01"}


def test_bytes_that_a_pydantic_type_encodes_are_encoded_once() -> None:
    inner = Attachments(one=b"", more=[None, b"-_8="])
    outer = Attachments(one=b"aGVsbG8=", more=[], by_name={"a": inner}, extra=[1])  # type: ignore[call-arg]
    shown = {"one": "", "more": [None, "-_8="], "byName": {}, "raw": "/w=="}
    assert encoded(outer) == {"one": "aGVsbG8=", "more": [], "byName": {"a": shown}, "raw": "/w==", "extra": [1]}
    assert encoded({"files": pydantic.RootModel[list[Attachments]]([inner])}) == {"files": [shown]}


class Unprintable:
    def __repr__(self) -> str:
        raise ValueError


def _deep(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def _endless() -> dict[str, Any]:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    return loop


@pytest.mark.parametrize(
    ("output", "problem"),
    [
        ({"a": {"b": [0, float("nan")]}}, "nan in output.a.b[1]; JSON has no such number, return None instead"),
        ({"a": float("-inf")}, "-inf in output.a"),
        ({"a": np.array([1.0, np.nan])}, "nan in output.a[1]"),
        ({"a": np.float32("inf")}, "inf in output.a"),
        ({"a": decimal.Decimal("NaN")}, "output.a"),
        ({"a": decimal.Decimal("sNaN")}, "nan in output.a"),
        ({"a": decimal.Decimal("-Infinity")}, "-inf in output.a"),
        ({"a": decimal.Decimal("1E+999999999")}, "a number beyond 64 bits in output.a; return it as a text"),
        ({"a": np.longdouble("nan")}, "nan in output.a"),
        ({"a": np.clongdouble(1j)}, "a complex (1j) in output.a"),
        ({"a": 2**64}, "an integer beyond 64 bits in output.a; return it as a text"),
        ({"a": -(2**63) - 1}, "an integer beyond 64 bits in output.a"),
        ({"a": "\ud800"}, "half a character (a lone surrogate) in output.a"),
        ({"\ud800": 1}, "half a character (a lone surrogate) in output"),
        ({"a": ["x\0"]}, "a NUL character in output.a[0]"),
        ({"a\0": 1}, "a NUL character in output"),
        ({1: "a", "1": "b"}, "two names that are the same text (1 and '1')"),
        ({(1, 2): "a"}, "a tuple ((1, 2)) as a name in output, where a text is needed"),
        ({None: "a"}, "None as a name"),
        ({True: "a"}, "a bool (True) as a name"),
        ({1.5: "a"}, "a float (1.5) as a name"),
        ({"a": {1, 2}}, "a set ({1, 2}) in output.a, which has no JSON form; return a list, a set has no order"),
        ({"a": (each for each in "ab")}, "which has no JSON form; return a list"),
        ({"a": lambda: 0}, "a function"),
        ({"a": Box}, "the class Box in output.a"),
        ({"a": 1j}, "a complex (1j) in output.a"),
        ({"a": Unprintable()}, "no repr"),
        ({"a": np.array([1j])}, "a complex (1j) in output.a[0]"),
        ({"a": np.array([object()])}, "an object"),
        ({"a": _deep(DEPTH_MAX)}, f"more than {DEPTH_MAX} levels of nesting"),
        (_endless(), f"more than {DEPTH_MAX} levels of nesting"),
        (["a"], "a list (['a']) as an output, where a dict is needed"),
        ("a", "a str ('a') as an output"),
        (None, "None as an output"),
        (np.array([1]), "a numpy.ndarray"),
        ({"a": "x" * 2**20}, "an output of 1,048,584 bytes of JSON; the limit is 1,048,576"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_output_that_cannot_be_stored_is_named_with_its_place(output: Any, problem: str) -> None:
    with pytest.raises(InvalidOutput) as raised:
        encoded(output)
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("schema", "output", "problem"),
    [
        ({"days": {"type": "number"}}, {"days": "many"}, 'output.days: "many" is not of type "number"'),
        ({"days": {"type": "integer"}}, {"days": 1.5}, "output.days: 1.5 is not of type"),
        ({"days": {"maximum": 3}}, {"days": np.int64(4)}, "output.days: 4 is greater than the maximum of 3"),
        ({"label": {"enum": ["a"]}}, {"label": Color.RED}, "output.label"),
        ({"v": {"items": {"type": "number"}}}, {"v": np.array(["x"])}, "output.v.0"),
        ({"days": {}}, {}, 'output: "days" is a required property'),
    ],
)
def test_an_output_that_does_not_fit_the_schema_is_refused_with_its_place(
    schema: dict[str, Any], output: Any, problem: str
) -> None:
    with pytest.raises(InvalidOutput) as raised:
        encoded(output, {"type": "object", "properties": schema, "required": list(schema)})
    assert f"an output that does not fit its output_schema: {problem}" in str(raised.value)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_characters="\0", codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(max_examples=100)
@given(json_values)
def test_json_comes_back_equal_from_a_strict_parser(value: Any) -> None:
    text = OutputEncoder(ANY, 2**20).encode({"value": value})
    assert orjson.loads(text) == {"value": value}


anything = st.recursive(
    st.none() | st.floats() | st.integers() | st.text() | st.binary() | st.complex_numbers() | st.just(object()),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.integers() | st.floats() | st.booleans() | st.none(), inner)
    ),
    max_leaves=10,
)


@settings(max_examples=150)
@given(anything)
def test_whatever_is_returned_is_valid_json_or_refused(value: Any) -> None:
    try:
        text = OutputEncoder(ANY, 2**20).encode({"value": value})
    except InvalidOutput as error:
        str(error).encode()
        return
    orjson.loads(text)
