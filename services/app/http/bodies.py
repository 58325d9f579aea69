"""Request bodies as values: strict JSON and forms, each bounded before it is parsed.

What another parser might read otherwise is refused here, before anybody uses it.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import parse_qsl

Value = TypeVar("Value")

FORM_BYTES_MAX = 16_384
"""A password of 10,000 characters fits; nothing else that a form of ours holds is longer."""
FIELDS_BYTES_MAX = 16_384
"""JSON of a few fields: names, passwords, reasons. The names of 50 models fit, and nothing that is valid is longer."""
INLINE_BYTES_MAX = 16_384
"""Parsing this much takes about a millisecond; larger bodies are parsed in a thread, so that the loop goes on."""
FORM_FIELDS_MAX = 20
_QUOTES_PER_VALUE = 4
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_AS_SQUARE = bytes.maketrans(b"{}", b"[]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_BOM = b"\xef\xbb\xbf"

# One thread: more of them would only contend for the interpreter.
_parser = ThreadPoolExecutor(1, "json")


def refusal(body: bytes, *, depth_max: int, values_max: int) -> str | None:
    """Why JSON of this shape is not parsed; None if it may be. Linear in time, and done before any parser recurses.

    A body that is not JSON may be refused here or not; the parser refuses it in any case.
    """
    opening = body.count(b"[") + body.count(b"{")
    if opening <= depth_max and opening + body.count(b",") <= values_max:
        return None
    unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"")
    if unescaped.count(b'"') > _QUOTES_PER_VALUE * values_max:
        return f"JSON may hold {values_max} values."
    outside = b"".join(unescaped.split(b'"')[::2])
    if outside.count(b"[") + outside.count(b"{") + outside.count(b",") > values_max:
        return f"JSON may hold {values_max} values."
    brackets = outside.translate(_AS_SQUARE, _NOT_BRACKETS)
    for _ in range(depth_max):  # each round takes the innermost level away
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return None
    return f"JSON may be nested {depth_max} deep." if brackets else None


async def refusal_aside(body: bytes, *, depth_max: int, values_max: int) -> str | None:
    """`refusal`, in a thread for large bodies."""
    if len(body) <= INLINE_BYTES_MAX:
        return refusal(body, depth_max=depth_max, values_max=values_max)
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_parser, lambda: refusal(body, depth_max=depth_max, values_max=values_max))


async def parse_aside(body: bytes, then: Callable[[Any], Value]) -> Value:
    """What ``then`` makes of the body's value; in a thread for large bodies. Raises what `parse` and ``then`` raise."""
    if len(body) <= INLINE_BYTES_MAX:
        return then(parse(body))
    return await asyncio.get_running_loop().run_in_executor(_parser, lambda: then(parse(body)))


def parse_form(body: bytes) -> dict[str, str]:
    """The fields of an application/x-www-form-urlencoded body in UTF-8, raw or percent-encoded.

    A field without a value counts as not sent (RFC 6749, 3.2).

    Raises:
        ValueError: It is no UTF-8, is too long, has too many fields, or one of them twice. The message never quotes the
            body.
    """
    if len(body) > FORM_BYTES_MAX:
        raise ValueError(f"a form has at most {FORM_BYTES_MAX:,} bytes")
    if body.count(b"&") >= FORM_FIELDS_MAX:
        raise ValueError(f"a form has at most {FORM_FIELDS_MAX} fields")
    try:
        pairs = parse_qsl(body.decode(), errors="strict")
    except UnicodeDecodeError:
        raise ValueError("invalid UTF-8") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field is given twice")
    return fields


def parse(body: bytes) -> Any:
    """The value that ``body`` holds as UTF-8 JSON (RFC 8259, and I-JSON where parsers differ, RFC 7493).

    Raises:
        ValueError: It is no JSON, or has a duplicate name, NaN, Infinity, a number beyond the range of a double,
            or half of a surrogate pair. The message never quotes the body.
    """
    if not body:
        raise ValueError("it is empty")
    if body.startswith(_BOM):
        raise ValueError("it begins with a byte order mark; send UTF-8 without one")
    try:
        value = _decoder.decode(body.decode("utf-8"))
        if _SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode()  # finds a lone one; whole pairs have been joined
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg.removesuffix(' at')} at character {error.pos}") from None
    except UnicodeDecodeError as error:
        raise ValueError(f"invalid UTF-8 at byte {error.start}") from None
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate in a string") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("an object has the same name twice")
    return value


def _constant(_name: str) -> Any:
    raise ValueError("NaN and Infinity are no JSON")


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise ValueError("a number is out of range")
    return value


def _int(digits: str) -> int:
    if len(digits) > 100:  # noqa: PLR2004  far beyond what any field takes; Python refuses to parse 4301 digits
        raise ValueError("a number is out of range")
    return int(digits)


_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int, strict=True
)
