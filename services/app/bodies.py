"""Strict JSON for request bodies: what another parser might read otherwise is refused here, before anybody uses it."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_STRINGS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_AS_SQUARE = bytes.maketrans(b"{}", b"[]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def is_deeper(body: bytes, depth_max: int) -> bool:
    """Whether arrays and objects are nested deeper than ``depth_max``; linear in time, for a parser that recurses.

    A body that is not JSON may be called deep or not; the parser refuses it in any case.
    """
    if body.count(b"[") + body.count(b"{") <= depth_max:
        return False
    brackets = _STRINGS.sub(b"", body).translate(_AS_SQUARE, _NOT_BRACKETS)
    for _ in range(depth_max):  # each round takes the innermost level away
        brackets = brackets.replace(b"[]", b"")
        if not brackets:
            return False
    return True


def parse(body: bytes) -> Any:
    """The value that ``body`` holds as UTF-8 JSON (RFC 8259, and I-JSON where parsers differ, RFC 7493).

    Raises:
        ValueError: It is no JSON, or has a duplicate name, NaN, Infinity, a number beyond the range of a double,
            or half of a surrogate pair. The message never quotes the body.
    """
    try:
        value = _decoder.decode(body.decode("utf-8"))
        if _SURROGATE.search(body):
            json.dumps(value, ensure_ascii=False).encode()  # finds a lone one; whole pairs have been joined
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos}") from None
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
