"""The model `entities-ru`, with its real weights, in an environment of its own."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ml_service.runtime.bundled.entities_ru.model import EntitiesRu
from ml_service.runtime.host.model_host import ModelHost
from ml_service.runtime.model_answers import Success
from tests.support.entities import limits, source
from tests.support.hosts import running

pytestmark = pytest.mark.slow

AWKWARD = [
    " ",
    "🙂",
    "12345",
    "a",
    "\n\t",
    "Ё" * 5000,
    "🙂" * 5000,
    "." * 5000,
    "Анна " * 1000,
    "nul\0nul",
    "\ud83d",
    "n\u0301",
]


@pytest.fixture
async def model() -> AsyncIterator[ModelHost]:
    async with running(source(), limits()) as host:
        assert host.ready, host.error
        yield host


async def entities(host: ModelHost, *texts: str) -> list[list[dict[str, Any]]]:
    answers = await host.predict([json.dumps({"text": text}) for text in texts])
    assert all(isinstance(one, Success) for one in answers), answers
    return [json.loads(one.output_json)["entities"] for one in answers if isinstance(one, Success)]


async def test_it_finds_who_and_where_and_which_organization(model: ModelHost) -> None:
    found = await entities(model, *(example["text"] for example in EntitiesRu.examples))
    assert [[(one["type"], one["text"]) for one in each] for each in found] == [
        [("person", "Анна Ахматова"), ("place", "Одессой"), ("place", "Ленинграде")],
        [("organization", "Яндекс"), ("organization", "МГУ"), ("place", "Казани"), ("person", "Сергей Иванов")],
        [],
    ]


async def test_a_name_that_begins_a_text_is_found_though_its_tag_says_that_it_goes_on(model: ModelHost) -> None:
    (found,) = await entities(model, "Чавес назначил преемника и направился на Кубу лечить рак")
    assert [one["text"] for one in found] == ["Чавес", "Кубу"]


async def test_places_count_characters_whatever_stands_before(model: ModelHost) -> None:
    texts = ["🙂🙂 Анна Ахматова и 𝒜 — в Москве 🙂", "e\u0301  \r\n Анна\tАхматова\u00a0в   Москве", "👨‍👩‍👧 Москва"]
    for text, found in zip(texts, await entities(model, *texts), strict=True):
        assert found
        assert [text[one["start"] : one["end"]] for one in found] == [one["text"] for one in found]


async def test_all_of_a_long_text_is_read(model: ModelHost) -> None:
    text = "Это было очень давно. " * 226 + "Она жила в Москве."
    assert 4950 < len(text) <= 5000
    (found,) = await entities(model, text)
    assert [(one["text"], one["end"]) for one in found] == [("Москве", len(text) - 1)]


async def test_it_answers_any_text_within_its_schema_and_alone_as_in_a_batch(model: ModelHost) -> None:
    together = await entities(model, *AWKWARD)
    for text, found in zip(AWKWARD, together, strict=True):
        assert await entities(model, text) == [found]
    assert together[:5] == [[]] * 5
