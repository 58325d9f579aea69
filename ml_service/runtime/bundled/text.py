"""What bundled text models have in common: their input, and what they do to a text before they look at it."""

from __future__ import annotations

import re

from ml_service.runtime.author import JsonObject

_SURROGATES = re.compile("[\ud800-\udfff]+")


def text_input(description: str) -> JsonObject:
    """Return the schema of an input that is a text, so described."""
    return {
        "type": "object",
        "properties": {"text": {"type": "string", "minLength": 1, "maxLength": 5000, "description": description}},
        "required": ["text"],
        "additionalProperties": False,
    }


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


def tail(text: str, chars_max: int) -> str:
    """Return the last `chars_max` characters of `text`, cut at a space where one is near the beginning."""
    if len(text) <= chars_max:
        return text
    cut = text[-chars_max:]
    space = cut.find(" ", 0, chars_max // 10)
    return cut[space + 1 :]
