"""Divides CSV into rows, whole or as it comes, with no limit of a cell's length.

A cell is quoted where it begins with a quote and the quote that closes it ends the cell; there may be spaces around the
quotes. Line breaks and delimiters within belong to it. Every other quote is text: so a stray one changes nothing but,
at most, its own cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

_LINE_END = re.compile(r"\r\n?|\n")
# Possessive, and a quoted cell that is not closed goes up to the next quote that is not doubled: linear in all.
_QUOTED = r'({spaces})"([^"]*+(?:""[^"]*+)*+)("?+){spaces}'


@lru_cache(maxsize=16)
def _patterns(delimiter: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A cell in quotes, with spaces around them, and a cell without."""
    spaces = "" if delimiter == " " else " *+"
    return re.compile(_QUOTED.format(spaces=spaces)), re.compile(rf"[^{re.escape(delimiter)}\r\n]*+")


def rows_in(
    text: str, delimiter: str, *, is_whole: bool, keeps_spaces: bool = False
) -> Iterator[tuple[list[str], int, int]]:
    """The rows of a text, each with the place where it ends; an empty line is a row of one empty cell.

    The last number is how much of the text has told the row: beyond its end where a quoted cell was not closed in it.

    Args:
        is_whole: Nothing follows the text; else a row that may go on is left out.
        keeps_spaces: The spaces before a quoted cell are part of it, as they are of any other cell.
    """
    start = 0
    while start < len(text):
        line_end = _LINE_END.search(text, start)
        stop = line_end.start() if line_end else len(text)
        if text.find('"', start, stop) < 0:
            cells, told = text[start:stop].split(delimiter), stop
        else:
            found = _cells(text, start, delimiter, is_whole=is_whole, keeps_spaces=keeps_spaces)
            if found is None:
                return
            cells, stop, told = found
            line_end = _LINE_END.match(text, stop)
        end = line_end.end() if line_end else stop
        if end == len(text) and not is_whole and not text.endswith("\n"):
            return  # a "\r" may be the half of "\r\n"
        yield cells, end, max(end, told)
        start = end


def _cells(
    text: str, start: int, delimiter: str, *, is_whole: bool, keeps_spaces: bool
) -> tuple[list[str], int, int] | None:
    """A row with quotes: its cells, where it ends, and what told so; None where more of the text must tell."""
    quoted, plain = _patterns(delimiter)
    ends = {delimiter, "\r", "\n", ""}
    cells, at, told = [], start, start
    while True:
        found = quoted.match(text, at)
        if found is not None:
            told = max(told, found.end())
            if told == len(text) and not is_whole:
                return None
        if found is not None and found[3] and text[found.end() : found.end() + 1] in ends:
            cells.append((found[1] if keeps_spaces else "") + found[2].replace('""', '"'))
        else:
            found = plain.match(text, at)
            assert found is not None  # noqa: S101  it may be empty
            cells.append(found[0])
        at = found.end()
        if text[at : at + 1] != delimiter:
            return cells, at, told
        at += 1
