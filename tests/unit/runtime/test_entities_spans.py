"""What `entities-ru` makes of its network's tags, one for each word."""

from __future__ import annotations

import pytest

from ml_service.runtime.bundled.entities_ru.spans import Span, Token, spans


def tokens(text: str) -> list[Token]:
    found, start = [], 0
    for word in text.split():
        start = text.index(word, start)
        found.append(Token(word, start, start + len(word)))
        start += len(word)
    return found


@pytest.mark.parametrize(
    ("text", "tags", "expected"),
    [
        ("", "", []),
        ("Завтра дождь", "O O", []),
        ("Анна Ахматова жила", "B-PER I-PER O", [Span("PER", 0, 13)]),
        ("Анна  Ахматова", "B-PER I-PER", [Span("PER", 0, 14)]),
        ("Анна Борис", "B-PER B-PER", [Span("PER", 0, 4), Span("PER", 5, 10)]),
        ("Чавес уехал", "I-PER O", [Span("PER", 0, 5)]),
        ("Газпром Москва", "B-ORG I-LOC", [Span("ORG", 0, 7), Span("LOC", 8, 14)]),
        ("Ельцин и Путин", "B-PER O I-PER", [Span("PER", 0, 6), Span("PER", 9, 14)]),
        ("в Перми", "O B-LOC", [Span("LOC", 2, 7)]),
        ("🙂 𝒜 Москва", "O O B-LOC", [Span("LOC", 4, 10)]),
    ],
)
def test_neighbours_of_one_name_are_joined_by_their_tags(text: str, tags: str, expected: list[Span]) -> None:
    assert spans(tokens(text), tags.split()) == expected
