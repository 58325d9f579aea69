"""Numbers as people write them: ASCII digits and nothing else. Standard library only.

Python's int() and float() take more: 1_0 for 10, the digits of every script, spaces around, a plus, 1e3.
"""

from __future__ import annotations

import re
from typing import Any, get_args

_WHOLE = re.compile(r"-?[0-9]{1,40}")
_DECIMAL = re.compile(r"-?[0-9]{1,40}(?:\.[0-9]{1,40})?")
_CELL_WHOLE = re.compile(r"[+-]?[0-9]+(?:[.,]0*)?")
_CELL = re.compile(r"[+-]?(?:[0-9]+(?:[.,][0-9]*)?|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?")


def is_whole(text: str) -> bool:
    """Whether a text is a whole number, in digits."""
    return _WHOLE.fullmatch(text) is not None


def is_decimal(text: str) -> bool:
    """Whether a text is a number in digits, with or without a fraction behind a dot."""
    return _DECIMAL.fullmatch(text) is not None


def is_cell(text: str, *, whole: bool) -> bool:
    """Whether a text is a number as spreadsheets and people write it: with a plus, with a comma for the dot.

    The page has the same rule in services/app/web/lib/numbers.js. Spreadsheets round what they write with an
    exponent: such a number is no whole one.
    """
    return (_CELL_WHOLE if whole else _CELL).fullmatch(text) is not None


def what_is_wrong(text: str, annotation: Any) -> str | None:
    """What is wrong with a text that is to become a value of this type; None where it is right, or no number is due."""
    kinds = {annotation, *get_args(annotation)}
    if int in kinds and not is_whole(text):
        return "must be a whole number, in the digits 0 to 9"
    if float in kinds and not is_decimal(text):
        return "must be a number, in the digits 0 to 9, such as 5 or 0.5"
    return None
