"""Fingerprints: equal requests are equal however they are spelled, and unequal ones are not."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from itertools import combinations
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from ml_service.domain.predictions import Source
from ml_service.domain.submissions import ModelInput, Receiver, SubmitRequest, is_same_request
from ml_service.domain.webhooks import RequestWebhook

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


def fingerprint(request: SubmitRequest) -> bytes:
    return request.fingerprint("echo")


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
    assert fingerprint(asked(respelled(value))) == fingerprint(asked(value))
    assert fingerprint(asked(json.loads(json.dumps(value)))) == fingerprint(asked(value))


@given(INPUTS, INPUTS)
def test_unequal_requests_have_unequal_fingerprints(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (fingerprint(asked(one)) == fingerprint(asked(other))) is same(one, other)
    assert is_same_request(fingerprint(asked(one)), fingerprint(asked(other))) is same(one, other)


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
    lambda: asked({"n": 1}, notify=frozenset()),
    lambda: asked({"n": 1}, notify=frozenset({Receiver.TELEGRAM})),
    lambda: asked({"n": 1}, webhook=RequestWebhook("https://a.example/1", ("prediction.failed",))),
    lambda: asked({"n": 1}, webhook=RequestWebhook("https://a.example/2", ("prediction.failed",))),
    lambda: asked({"n": 1}, webhook=RequestWebhook("https://a.example/1", ("prediction.expired",))),
    lambda: asked(repeats=UUID(int=1)),
    lambda: asked(repeats=UUID(int=2)),
]


def test_what_differs_in_one_thing_differs() -> None:
    prints = [fingerprint(make()) for make in DIFFERENT]
    assert not any(is_same_request(one, other) for one, other in combinations(prints, 2))
    assert all(is_same_request(fingerprint(make()), one) for make, one in zip(DIFFERENT, prints, strict=True))


MODELS = st.lists(st.sampled_from([None, "echo", "other", "echo@1"]), min_size=1, max_size=4)


@given(MODELS, st.data())
def test_the_default_model_may_be_named_or_left_out_in_each_item(models: list[str | None], data: st.DataObject) -> None:
    respelled = [data.draw(st.sampled_from([None, "echo"])) if one in {None, "echo"} else one for one in models]
    other = data.draw(MODELS)
    prints = [fingerprint(of_models(names)) for names in (models, respelled, other)]
    assert is_same_request(prints[0], prints[1])
    named = [[one or "echo" for one in names] for names in (models, other)]
    assert is_same_request(prints[0], prints[2]) is (named[0] == named[1])


@given(MODELS, st.sampled_from(["echo", "other"]))
def test_the_same_request_stays_the_same_under_another_default(models: list[str | None], default: str) -> None:
    request = of_models(models)
    assert is_same_request(request.fingerprint("echo"), request.fingerprint(default))


def test_what_named_the_default_model_of_its_time_is_not_what_names_none_today() -> None:
    assert not is_same_request(of_models([None]).fingerprint("echo"), of_models(["other"]).fingerprint("other"))
    assert not is_same_request(of_models(["echo"]).fingerprint("echo"), of_models([None]).fingerprint("other"))
    assert is_same_request(of_models([None]).fingerprint("echo"), of_models(["echo"]).fingerprint("other"))


def of_models(models: list[str | None]) -> SubmitRequest:
    items = tuple(ModelInput(model, {"n": number}) for number, model in enumerate(models))
    return SubmitRequest(items, Source.API, is_batch=True)


def test_a_fingerprint_from_before_an_upgrade_counts_as_equal() -> None:
    now = fingerprint(asked({"text": "hello"}))
    for of_another_version in (hashlib.sha256(b"another rule").digest(), b"\x02" + hashlib.sha256(b"").digest(), b""):
        assert is_same_request(of_another_version, now)
        assert is_same_request(now, of_another_version)
    assert not is_same_request(now, fingerprint(asked({"text": "other"})))
