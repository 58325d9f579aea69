"""An answer is said to be cut exactly where something of it is not shown: only then there is a file with all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.bot.views import answers
from tests.support.bot_views import EN, RU, prediction, shown

KNOWN = {"label", "language", "confidence", "scores", "alternatives", "entities", "type", "text"}
HIDDEN = {"start", "end"}
"""Of a part of a text, where it stands: nothing that a person would miss."""


def leaves(value: Any, name: str = "") -> Iterator[str]:
    """What a person has to find: each text, each number that is no share, and the names that a model has given."""
    if isinstance(value, dict):
        for key, one in value.items():
            if key not in HIDDEN:
                yield from leaves(key) if key not in KNOWN else ()
                yield from leaves(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one, name)
    elif isinstance(value, str):
        yield " ".join(value.split())
    elif not 0 <= value <= 1:
        yield orjson.dumps(value).decode()


def is_all_there(t: Any, output: Any) -> bool:
    text = " ".join(shown(answers.answer(t, prediction(output=output, input='{"text": "?"}'))).split())
    return all(leaf in text for leaf in leaves(output))


def words(prefix: str, most: int) -> st.SearchStrategy[str]:
    """A text like no other one."""
    return st.builds(
        lambda number, length: (f"{prefix}{number} " * length)[:length].strip(),
        st.integers(10**5, 10**6),
        st.integers(7, most),
    )


SHARE = st.just(0.5)
NUMBER = st.integers(10**6, 10**7)


def several(
    element: Callable[[int], st.SearchStrategy[Any]], most: int, least: int = 0
) -> st.SearchStrategy[list[Any]]:
    return st.integers(least, most).flatmap(lambda count: st.tuples(*map(element, range(count))).map(list))


def named(kind: str, most: int, value: st.SearchStrategy[Any], chars_max: int) -> st.SearchStrategy[dict[str, Any]]:
    return several(lambda place: st.tuples(words(f"{kind}{place}n", chars_max), value), most, 1).map(dict)


def alternative(place: int) -> st.SearchStrategy[dict[str, Any]]:
    more = {"script": words(f"s{place}n", 20)}
    return st.fixed_dictionaries({"language": words(f"l{place}n", 45), "confidence": SHARE}, optional=more)


def span(place: int) -> st.SearchStrategy[dict[str, Any]]:
    parts = {"type": words(f"t{place % 15}n", 65), "text": words(f"w{place}n", 60), "start": NUMBER, "end": NUMBER}
    return st.fixed_dictionaries(parts, optional={"lemma": words(f"m{place}n", 20)})


OUTPUT = st.builds(
    lambda known, more: known | more,
    st.fixed_dictionaries(
        {},
        optional={
            "label": words("a", 500), "language": words("b", 350), "confidence": SHARE,
            "scores": named("c", 30, SHARE, 50), "alternatives": several(alternative, 15),
            "entities": several(span, 20, 1),
        },
    ),
    named("d", 14, words("e", 700) | NUMBER | several(lambda _: NUMBER, 20, 1) | named("f", 3, NUMBER, 20), 70)
    | st.just({}),
)  # fmt: skip


@given(OUTPUT)
def test_an_answer_is_cut_exactly_where_something_of_it_is_not_shown(output: dict[str, Any]) -> None:
    for t in (EN, RU):
        view = answers.answer(t, prediction(output=output, input='{"text": "?"}'))
        assert view.is_cut != is_all_there(t, output)


@pytest.mark.parametrize(
    ("output", "is_cut"),
    [
        ({"label": "x" * 500}, True),
        ({"label": "x" * 300}, False),
        ({"label": "a", "scores": {f"class {number}": 1 / 30 for number in range(30)}}, True),
        ({"label": "a", "scores": {"x" * 41: 0.5}}, True),
        ({"label": "a", "confidence": 0.5, "scores": {"a": 0.9, "b": 0.1}}, False),
        ({"language": "bg", "confidence": 0.9, "alternatives": []}, False),
        ({"answer": "line1\r\nline2"}, False),
        ({"answer": "hi\u202ethere"}, False),
        ({"x" * 61: 1}, True),
        ({"v": [1] * 17}, True),
        ({"v": [1] * 16}, False),
        (["x" * 1499], True),
        ("line1\r\nline2", False),
        ([], False),
    ],
)
def test_what_is_left_out_is_a_part_of_the_answer(output: Any, is_cut: bool) -> None:
    view = answers.answer(EN, prediction(output=output))
    assert view.is_cut == is_cut
    assert ("all of it is in the file" in shown(view)) == is_cut


def test_a_score_that_differs_from_the_confidence_is_shown() -> None:
    output = {"label": "a", "confidence": 0.5, "scores": {"a": 0.9, "b": 0.1}}
    assert "90.0%" in shown(answers.answer(EN, prediction(output=output)))
