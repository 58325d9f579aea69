"""Strict JSON: what parsers disagree about is refused."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.app.bodies import is_deeper, parse

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max((depth(one) for one in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(one) for one in value), default=0)
    return 0


@given(VALUES, st.booleans())
def test_all_that_json_can_say_comes_through(value: Any, escaped: bool) -> None:
    try:
        body = json.dumps(value, ensure_ascii=escaped).encode()
    except UnicodeEncodeError:
        return
    lone = any(0xD800 <= ord(character) <= 0xDFFF for character in json.dumps(value, ensure_ascii=False))
    if lone:
        with pytest.raises(ValueError, match="surrogate"):
            parse(body)
    else:
        assert parse(body) == value


@given(VALUES, st.integers(1, 6))
def test_depth_is_counted_exactly(value: Any, depth_max: int) -> None:
    assert is_deeper(json.dumps(value).encode(), depth_max) is (depth(value) > depth_max)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_value_error(body: bytes) -> None:
    is_deeper(body, 3)
    try:
        parse(body)
    except ValueError:
        return


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"NaN",
        b"-Infinity",
        b"1e400",
        b'{"a":1,"a":2}',
        b'"\\ud800"',
        b'"\xff"',
        b"9" * 5000,
        b'"\x00"',
        b"1 2",
    ],
)
def test_what_is_doubtful_is_refused_without_quoting_it(body: bytes) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  the messages are for people
        parse(body)
    assert len(str(refused.value)) < 100


@pytest.mark.parametrize(
    "body", [b"[" * 10**6, b"[]" * 10**6, b'"' + b"[" * 10**6, b'{"a":' * 3 * 10**5, b'"\\' * 10**6]
)
def test_two_megabytes_are_judged_at_once(body: bytes) -> None:
    started = time.process_time()
    is_deeper(body, 32)
    assert time.process_time() - started < 1
