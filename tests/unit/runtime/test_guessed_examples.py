"""An example that nobody wrote is a right one, or there is none: it never stands in a model's way."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from ml_service.runtime.author import Model
from ml_service.runtime.author.schemas import EXAMPLE_CHARS_MAX
from ml_service.runtime.host.declarations import spec_of


class Counted(BaseModel):
    n: int


def examples_for(hint: Any) -> tuple[dict[str, Any], ...]:
    def predict(_self: Model, x: Any) -> Counted:
        return Counted(n=len(x))

    predict.__annotations__ = {"x": hint, "return": Counted}
    model = type("Guessed", (Model,), {"name": "x", "version": "1", "description": "x", "predict": predict})
    return spec_of(model).examples


SIZES = st.sampled_from([None, 0, 1, 2, 30, 5_000, 150_528, 10**9])
LIMITS = st.one_of(st.none(), st.integers(-(2**70), 2**70))


def sized(hint: Any) -> st.SearchStrategy[Any]:
    unique = st.sampled_from([None, {"uniqueItems": True}, {"minProperties": 2}, {"minContains": 1, "contains": False}])
    return st.builds(lambda low, more: Annotated[hint, Field(min_length=low, json_schema_extra=more)], SIZES, unique)


def bounded(hint: Any) -> st.SearchStrategy[Any]:
    names = st.fixed_dictionaries({}, optional={"ge": LIMITS, "gt": LIMITS, "le": LIMITS, "multiple_of": st.just(7)})
    return st.builds(lambda limits: Annotated[hint, Field(**limits)], names)


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = inner.flatmap(lambda hint: sized(list[hint]))
    dicts = inner.flatmap(lambda hint: sized(dict[str, hint]))
    return lists | dicts | inner.map(lambda hint: hint | None)


TYPES = st.recursive(st.just(bool) | sized(str) | bounded(int) | bounded(float), nested, max_leaves=4)


@settings(deadline=None)
@given(TYPES)
@example(Annotated[list[float], Field(min_length=150_528, max_length=150_528)])
@example(Annotated[list[str], Field(min_length=2, json_schema_extra={"uniqueItems": True})])
@example(Annotated[str, Field(min_length=250_000)])
@example(Annotated[int, Field(gt=10**400)])
def test_a_guess_never_refuses_a_model(hint: Any) -> None:
    assert sum(len(str(one)) for one in examples_for(hint)) <= EXAMPLE_CHARS_MAX


def test_a_guess_that_would_be_endless_is_not_begun() -> None:
    hint: Any = float
    for _ in range(9):
        hint = Annotated[list[hint], Field(min_length=1000)]
    assert examples_for(hint) == ()


@pytest.mark.parametrize("size", [1, 768])
def test_a_list_of_a_usual_size_has_one(size: int) -> None:
    assert examples_for(Annotated[list[float], Field(min_length=size)]) == ({"x": [0.5] * size},)
