"""The known name that may have been meant by an unknown one."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

NAME_LENGTH_MAX = 100
KNOWN_MAX = 200
"""So many known names are compared at most: a request must not choose how long it takes to answer."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like this one; None where none is like it."""
    near = get_close_matches(name[:NAME_LENGTH_MAX], list(islice(known, KNOWN_MAX)), n=1)
    return near[0] if near else None


def meant(name: str, known: Iterable[str]) -> str:
    """Return "; did you mean style?", or nothing where no known name is like this one."""
    near = nearest(name, known)
    return f"; did you mean {near}?" if near is not None else ""
