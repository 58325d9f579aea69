"""From what a model returned for one input to the JSON text that is stored; whatever cannot be stored is named.

Authors return numpy arrays, dates, dataclasses and pydantic models; all of them have one obvious JSON form. Everything
else has to be as strict as an input: text that PostgreSQL and any JSON parser can read.
"""

from __future__ import annotations

import base64
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import json
import math
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import PurePath
from typing import Any

import jsonschema_rs

from ml_service.platform.json_schemas import validator_of

# Parsers of other languages stop at 64 or 100 levels.
DEPTH_MAX = 64
# What the parsers of inputs take, and every client's 64-bit integer.
INTEGER_MIN, INTEGER_MAX = -(2**63), 2**64 - 1
_VALUE_CHARS_MAX = 60
_PROBLEM_CHARS_MAX = 200

_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class InvalidOutput(Exception):
    """The output cannot be stored; the message says where and why, as the end of "The model returned …".

    Args:
        what: What is there.
        advice: What to return in its place.
    """

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice
        self.steps: list[str] = []
        """From the value up to the output, each as it is written in Python: ``.name`` or ``[3]``."""

    def __str__(self) -> str:
        where = "output" + "".join(reversed(self.steps))
        return f"{self.what} in {where}{self.advice}" if self.steps else f"{self.what}{self.advice}"


class OutputEncoder:
    """Holds outputs to a schema and a size.

    Args:
        output_schema: The model's own.
        output_bytes_max: JSON of one output.
        convert: Called first. Outputs of a type have one, and formats: `typed_outputs.typed_encoder`.
        formats: Those that texts are held to.
    """

    def __init__(
        self,
        output_schema: Any,
        output_bytes_max: int,
        convert: Callable[[Any], Any] | None = None,
        formats: Mapping[str, Callable[[str], bool]] | None = None,
    ) -> None:
        self._convert = convert
        self._validator = validator_of(output_schema, formats)
        self._output_bytes_max = output_bytes_max

    def encode(self, output: Any) -> bytes:
        """Return the JSON text of an output.

        Raises:
            InvalidOutput: It has none, is too large, or does not fit the schema.
        """
        try:
            value = plain(output if self._convert is None else self._convert(output))
        except RecursionError:  # the model has set a low limit of its own
            raise InvalidOutput("an output that is nested too deeply") from None
        if not isinstance(value, dict):
            raise InvalidOutput(f"{_a(output)} as an output", ", where a dict is needed")
        encoded = _encode(value).encode()
        if len(encoded) > self._output_bytes_max:
            raise InvalidOutput(
                f"an output of {len(encoded):,} bytes of JSON",
                f"; the limit is {self._output_bytes_max:,} (the model's output_bytes_max, or MODEL_OUTPUT_BYTES_MAX)",
            )
        try:
            self._validator.validate(value)  # stops at the first error; iter_errors collects all before it returns one
        except jsonschema_rs.ValidationError as error:
            where = ".".join(["output", *map(str, error.instance_path)])
            problem = f"{where}: {error.message}"[:_PROBLEM_CHARS_MAX]
            raise InvalidOutput(f"an output that does not fit its output_schema: {problem}") from None
        return encoded


def plain(value: Any, depth: int = 0) -> Any:
    """Return ``value`` in Python's own JSON types.

    Args:
        value: Part of an output.
        depth: How many containers it lies in.

    Raises:
        InvalidOutput: It has no JSON form.
    """
    kind = type(value)
    if (check := _SCALARS.get(kind)) is not None:
        return check(value)
    if depth >= DEPTH_MAX:
        raise InvalidOutput(f"more than {DEPTH_MAX} levels of nesting")
    if kind is dict:
        return _object(value, depth)
    if kind is list or kind is tuple:
        return _array(value, depth)
    return _converted(value, depth)


def _text(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise InvalidOutput("half a character (a lone surrogate)") from None
    if "\0" in value:
        raise InvalidOutput("a NUL character", ", which the database cannot store")
    return value


def _integer(value: int) -> int:
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise InvalidOutput("an integer beyond 64 bits", "; return it as a text")
    return value


def _number(value: float) -> float:
    if not math.isfinite(value):
        raise InvalidOutput(f"{value}", "; JSON has no such number, return None instead")
    return value


def _array(values: Iterable[Any], depth: int) -> list[Any]:
    result: list[Any] = []
    try:
        result.extend(plain(each, depth + 1) for each in values)
    except InvalidOutput as error:
        error.steps.append(f"[{len(result)}]")
        raise
    return result


def _object(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    try:
        for key, each in value.items():
            name = ""
            name = _name(key)
            result[name] = plain(each, depth + 1)
    except InvalidOutput as error:
        error.steps.append(f".{name}" if name else "")
        raise
    if len(result) < len(value):
        raise InvalidOutput("two names that are the same text (1 and '1')")
    return result


def _name(key: Any) -> str:
    if type(key) is str:
        return _text(key)
    if isinstance(key, str | enum.Enum | dt.date | uuid.UUID | int) or _is_numeric(key):
        value = plain(key)
        if isinstance(value, str | int) and not isinstance(value, bool):
            return str(value)
    raise InvalidOutput(f"{_a(key)} as a name", ", where a text is needed")


def _converted(value: Any, depth: int) -> Any:
    """Return the JSON form of what is none of Python's own JSON types."""
    if isinstance(value, enum.Enum):
        return plain(value.value, depth + 1)
    for kinds, convert in _CONVERSIONS:
        if isinstance(value, kinds):
            return plain(convert(value), depth + 1)
    if isinstance(value, type):
        raise InvalidOutput(f"the class {value.__qualname__}", ", which has no JSON form")
    if dataclasses.is_dataclass(value):
        return _object({each.name: getattr(value, each.name) for each in dataclasses.fields(value)}, depth)
    if callable(dump := getattr(value, "model_dump", None)):  # a pydantic model
        return plain(_encoded_once(value, dump(by_alias=True)), depth + 1)
    if isinstance(value, Mapping):
        return _object(value, depth)
    if _is_numeric(value):
        return plain(_unpacked(value), depth + 1)
    raise InvalidOutput(_a(value), f", which has no JSON form{_advice(value)}")


def _encoded_once(value: Any, dumped: Any) -> Any:
    """Return what a pydantic model was dumped to, with the bytes that its types have made base64 as texts.

    `pydantic.Base64Bytes` holds bytes and dumps base64, as bytes again: such a value differs from what is held.
    """
    if isinstance(dumped, bytes):
        return dumped.decode() if isinstance(value, bytes) and value != dumped and dumped.isascii() else dumped
    if isinstance(dumped, dict):
        names = getattr(type(value), "model_fields", None)
        if names is None:
            held = value if isinstance(value, Mapping) else {}
        else:
            held = {field.serialization_alias or name: getattr(value, name) for name, field in names.items()}
            held |= value.model_extra or {}
        return {name: _encoded_once(held.get(name), one) for name, one in dumped.items()}
    if isinstance(dumped, list | tuple) and isinstance(value, list | tuple):
        return [_encoded_once(each, one) for each, one in zip(value, dumped, strict=False)]
    return (
        _encoded_once(value.root, dumped) if hasattr(type(value), "model_fields") and "root" in vars(value) else dumped
    )


def _is_numeric(value: Any) -> bool:
    """Whether it is an array or a scalar of numpy, torch or the like, which ``tolist`` makes Python's own."""
    return type(value).__module__.partition(".")[0] in _NUMERIC_PACKAGES and hasattr(value, "tolist")


def _unpacked(value: Any) -> Any:
    if any(base.__module__ == "numpy" for base in type(value).__mro__):  # numpy.ma has classes of its own
        if value.dtype.names and value.dtype.kind == "V":
            return _rows(value)
        if value.dtype.kind in _TIME_KINDS:
            return _times(value)
    listed = value.tolist()
    if type(listed) is not type(value):
        return listed
    return complex(value) if value.dtype.kind == "c" else float(value)  # a long double stays one


def _rows(value: Any) -> Any:
    """Return a structured array as lists of tuples, as ``tolist`` does, each field by its own type."""
    if value.ndim:
        return [_rows(row) for row in value]
    return tuple(value[name] for name in value.dtype.names)


def _times(value: Any) -> Any:
    """Return dates and durations of numpy as Python's own, which are no finer than a microsecond."""
    rounded = value.astype(f"{value.dtype.kind}8[us]") if value.dtype.str.endswith(_FINER_UNITS) else value
    listed = rounded.tolist()
    is_exact = rounded.astype(value.dtype).tobytes() == value.tobytes()
    if not is_exact or _holds_integer(listed):  # what Python has no date or duration for is a bare number
        raise InvalidOutput(_a(value), ", which is no exact date or duration; return it as a text or a number")
    return listed


def _holds_integer(listed: Any) -> bool:
    return any(map(_holds_integer, listed)) if isinstance(listed, list) else isinstance(listed, int)


def _decimal(value: decimal.Decimal) -> int | float:
    if not value.is_finite():
        return math.nan if value.is_nan() else float(value)
    if value > INTEGER_MAX or value < INTEGER_MIN:  # int() of 1E+999999999 would fill the memory
        raise InvalidOutput("a number beyond 64 bits", "; return it as a text")
    return int(value) if value == value.to_integral_value() else float(value)


def _advice(value: Any) -> str:
    if isinstance(value, (set, frozenset)):
        return "; return a list, a set has no order"
    if hasattr(value, "__next__"):
        return "; return a list"
    return ""


def _a(value: Any) -> str:
    if value is None:
        return "None"
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name} ({_short(value)})"


def _short(value: Any) -> str:
    try:
        text = " ".join(repr(value).split())
    except Exception:  # noqa: BLE001 - a model's own __repr__ may do anything
        text = "no repr"
    text = text.encode(errors="replace").decode()
    return text if len(text) <= _VALUE_CHARS_MAX else text[:_VALUE_CHARS_MAX] + "…"


_SCALARS: dict[type, Callable[[Any], Any]] = {
    str: _text,
    float: _number,
    int: _integer,
    bool: lambda value: value,
    type(None): lambda value: value,
}
_NUMERIC_PACKAGES = frozenset({"numpy", "torch", "jax", "jaxlib", "tensorflow", "cupy", "pandas"})
_TIME_KINDS = frozenset("mM")
_FINER_UNITS = ("ns]", "ps]", "fs]", "as]")
_CONVERSIONS: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (str, str.__str__),
    ((bytes, bytearray, memoryview), lambda value: base64.b64encode(value).decode()),
    ((dt.date, dt.time), lambda value: value.isoformat()),  # a datetime is a date
    (dt.timedelta, dt.timedelta.total_seconds),
    (decimal.Decimal, _decimal),
    (uuid.UUID, str),
    (PurePath, str),
    ((list, tuple, range, collections.deque), list),
    (int, int),
    (float, float),  # numpy.float64 is one
)
