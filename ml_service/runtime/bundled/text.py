"""What every bundled text model does to a text before it looks at it."""

from __future__ import annotations

import re

_SURROGATES = re.compile("[\ud800-\udfff]+")


def without_lone_surrogates(text: str) -> str:
    """Return `text` as valid Unicode: surrogate pairs joined, lone ones replaced by U+FFFD.

    JSON may spell half of a pair; no encoder takes it, and it says nothing to a model.
    """
    if _SURROGATES.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def head(text: str, chars_max: int) -> str:
    """Return the first `chars_max` characters of `text`, cut at a space where one is near the end."""
    if len(text) <= chars_max:
        return text
    cut = text[:chars_max]
    space = cut.rfind(" ", chars_max * 9 // 10)
    return cut[:space] if space > 0 else cut
