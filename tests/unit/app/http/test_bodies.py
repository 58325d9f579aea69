"""Strict JSON: what parsers disagree about is refused."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.app.http.bodies import FORM_BYTES_MAX, FORM_FIELDS_MAX, parse, parse_form, refusal

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
    refused = refusal(json.dumps(value).encode(), depth_max=depth_max, values_max=1000)
    assert (refused is not None) is (depth(value) > depth_max)


@given(st.lists(st.lists(st.text('ab"\\[]{},:', max_size=4), max_size=4), max_size=30), st.integers(1, 60))
def test_values_are_counted(value: list[list[str]], values_max: int) -> None:
    count = 1 + sum(max(1, len(inner)) + 1 for inner in value)  # an empty list counts as one that holds something
    refused = refusal(json.dumps(value).encode(), depth_max=5, values_max=values_max)
    if count > values_max + len(value) + 2:
        assert refused is not None
    if count <= values_max:
        assert refused is None


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_value_error(body: bytes) -> None:
    refusal(body, depth_max=3, values_max=20)
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
        b"\xef\xbb\xbf{}",
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
    refusal(body, depth_max=32, values_max=100_000)
    assert time.process_time() - started < 1


def test_a_refusal_says_once_where() -> None:
    for body in (b'{"a": "\x01"}', b'{"a" 1}', b'"', b"[1,]", b'"\\x"', b"1 2"):
        with pytest.raises(ValueError, match=r"\w at character \d+$") as refused:
            parse(body)
        assert str(refused.value).count(" at ") == 1


def test_a_byte_order_mark_is_named() -> None:
    with pytest.raises(ValueError, match="byte order mark"):
        parse(b"\xef\xbb\xbf{}")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", {}),
        (b"username=anna&password=b", {"username": "anna", "password": "b"}),
        ("username=анна&password=тихая река".encode(), {"username": "анна", "password": "тихая река"}),
        (b"password=%D1%80%D0%B5%D0%BA%D0%B0+%26", {"password": "река &"}),
        ("password=ре%D0%BAа".encode(), {"password": "река"}),
        (b"username=&password", {}),
        (b"a=1&&&b=2", {"a": "1", "b": "2"}),
        (b"a=b=c;d", {"a": "b=c;d"}),
    ],
)
def test_forms_are_read_as_utf8(body: bytes, expected: dict[str, str]) -> None:
    assert parse_form(body) == expected


@pytest.mark.parametrize(
    "body", [b"a=\xff", b"a=%ff", b"a=1&a=2", b"&" * FORM_FIELDS_MAX, b"%ff=1", b"a=" + b"1" * FORM_BYTES_MAX]
)
def test_doubtful_forms_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  the messages are for people
        parse_form(body)


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1), max_size=FORM_FIELDS_MAX))
def test_every_form_comes_through(fields: dict[str, str]) -> None:
    try:
        body = urlencode(fields).encode()
    except UnicodeEncodeError:
        return
    assume(len(body) <= FORM_BYTES_MAX)
    assert parse_form(body) == fields
