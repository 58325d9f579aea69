"""From a tag for each word to the parts of a text that they mark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

# What the network calls them, and what answers do.
TYPES = {"PER": "person", "LOC": "place", "ORG": "organization"}
_BEGINS = "B"


class Token(NamedTuple):
    """A word or a mark, and where in the text it stands."""

    text: str
    start: int
    end: int


class Span(NamedTuple):
    """What some neighbouring words name."""

    kind: str
    start: int
    end: int


def spans(tokens: Sequence[Token], tags: Iterable[str]) -> list[Span]:
    """Join neighbours by their BIO tags: ``B-PER`` begins a name, ``I-PER`` goes on with it, ``O`` is none.

    ``I`` after anything but its own kind begins a name as well.
    """
    found: list[Span] = []
    before = ""
    for token, tag in zip(tokens, tags, strict=True):
        place, _, kind = tag.partition("-")
        if kind and kind == before and place != _BEGINS:
            found[-1] = found[-1]._replace(end=token.end)
        elif kind:
            found.append(Span(kind, token.start, token.end))
        before = kind
    return found
