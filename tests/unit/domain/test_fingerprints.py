"""Fingerprints: equal requests are equal however they are spelled, and unequal ones are not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_service.domain.predictions import Source
from ml_service.domain.submissions import ModelInput, SubmitRequest

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
)
INPUTS = st.dictionaries(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner)),
    max_size=4,
)


def asked(*inputs: dict[str, Any], model: str | None = "echo", **options: Any) -> SubmitRequest:
    return SubmitRequest(tuple(ModelInput(model, one) for one in inputs), Source.API, **options)


def respelled(value: Any) -> Any:
    """The same JSON value with names in reverse order, and whole numbers as floats where that is exact."""
    if isinstance(value, dict):
        return {name: respelled(value[name]) for name in reversed(value)}
    if isinstance(value, list):
        return [respelled(one) for one in value]
    if isinstance(value, int) and not isinstance(value, bool) and int(float(value)) == value:
        return float(value)
    return value


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal; Python takes True for 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@given(INPUTS)
def test_equal_requests_have_equal_fingerprints(value: dict[str, Any]) -> None:
    assert asked(respelled(value)).fingerprint() == asked(value).fingerprint()
    assert asked(json.loads(json.dumps(value))).fingerprint() == asked(value).fingerprint()


@given(INPUTS, INPUTS)
def test_unequal_requests_have_unequal_fingerprints(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (asked(one).fingerprint() == asked(other).fingerprint()) is same(one, other)


DIFFERENT: list[Callable[[], SubmitRequest]] = [
    lambda: asked({"n": 1}),
    lambda: asked({"n": True}),
    lambda: asked({"n": "1"}),
    lambda: asked({"n": None}),
    lambda: asked({"n": [1]}),
    lambda: asked({"n": 1.5}),
    lambda: asked({"n": 2**53}),
    lambda: asked({"n": 2**53 + 1}),
    lambda: asked({}),
    lambda: asked({"n": 1}, {"n": 1}, is_batch=True),
    lambda: asked({"n": 1}, is_batch=True),
    lambda: asked({"n": 1}, deadline_s=60),
    lambda: asked({"n": 1}, deadline_s=61),
    lambda: asked({"n": 1}, model="other"),
    lambda: asked({"n": "é"}),
    lambda: asked({"n": "e\u0301"}),
]


def test_what_differs_in_one_thing_differs() -> None:
    assert len({make().fingerprint() for make in DIFFERENT}) == len(DIFFERENT)


@pytest.mark.parametrize(("first", "second"), [(None, "echo"), ("echo", None), ("echo", "echo"), (None, None)])
def test_the_default_model_may_be_named_or_left_out(first: str | None, second: str | None) -> None:
    accepted = asked({"text": "a"}, model=first).fingerprint()
    assert asked({"text": "a"}, model=second).means(accepted, "echo")
    assert not asked({"text": "b"}, model=second).means(accepted, "echo")


@pytest.mark.parametrize("model", [None, "echo"])
def test_the_same_request_stays_the_same_under_another_default(model: str | None) -> None:
    request = asked({"text": "a"}, model=model)
    assert request.means(request.fingerprint(), "other")


def test_a_fingerprint_from_before_an_upgrade_counts_as_equal() -> None:
    of_version_1 = hashlib.sha256(b"another rule").digest()
    assert asked({"text": "hello"}).means(of_version_1, "echo")
    assert not asked({"text": "hello"}).means(asked({"text": "other"}).fingerprint(), "echo")
