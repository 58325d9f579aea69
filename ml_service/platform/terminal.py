"""Text of others on a terminal: what would command it, or hide what is written, is spelled out."""

from __future__ import annotations

import re

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)


def escape(text: str, keep: str = "") -> str:
    """``text`` with its control, direction and line-separating characters as escapes, but for those of ``keep``."""
    return _UNPRINTABLE.sub(
        lambda found: found[0] if found[0] in keep else found[0].encode("unicode-escape").decode(), text
    )
