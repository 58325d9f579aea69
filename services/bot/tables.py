"""Texts and tables that a person sends: how they are encoded and divided, and what of them goes to the model."""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson
from charset_normalizer import from_bytes

from ml_service.domain.fields import fields_of, takes_text
from ml_service.domain.models import ModelSpec
from ml_service.domain.tables import (
    Columns,
    NotATable,
    Row,
    TooManyCells,
    columns_of,
    division_of,
    known_names,
    parse_rows,
)
from services.bot import schema_errors
from services.bot.encoding import encoding_of
from services.bot.phrases import Phrases

FILE_BYTES_MAX = 10_000_000
ROWS_MAX = 100_000
"""All rows of a file are in memory."""
SAMPLE_BYTES = 65_536
WIDE = ["utf_16_le", "utf_16_be"]
UTF8_DAMAGE_MAX = 0.02
UNREADABLE = "\ufffd"
_CONTROL = re.compile("[\x01-\x08\x0e-\x19\x1b-\x1f]")
NO_TEXT_BEGINS = (
    b"PK\x03\x04",
    b"%PDF-",
    b"{\\rtf",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"\x1f\x8b",
    b"\xd0\xcf\x11\xe0",
    b"BZh",
    b"7z\xbc\xaf",
    b"\xfd7zXZ",
    b"OggS",
    b"SQLite format 3",
)
"""Of archives, pictures and the documents of word processors and spreadsheets."""


class NotText(ValueError):
    """The file holds no text: a spreadsheet, a picture, an archive."""


class TooManyRows(ValueError):
    """More than ``rows_max`` rows; found before they take memory, or anybody's time."""

    def __init__(self, rows_max: int) -> None:
        super().__init__(f"more than {rows_max} rows")
        self.rows_max = rows_max


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a row cannot be used; ``row`` counts from 1 as a spreadsheet does, its header included."""

    row: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """What was understood.

    Attributes:
        inputs: What goes to the model: the rows without errors.
        columns: Names of the columns; empty where the lines are the texts.
        text_column: The one column that is the text; None where there are no columns or several are used.
        blank: Rows left out because they have no text.
        unreadable: Rows with a character that could not be read.
        errors: Rows that the model does not take.
    """

    inputs: tuple[dict[str, Any], ...]
    columns: tuple[str, ...] = ()
    text_column: str | None = None
    blank: int = 0
    unreadable: int = 0
    errors: tuple[RowError, ...] = ()

    def first(self, count: int) -> list[str]:
        """The first inputs, for people."""
        return [
            _written(value["text"])
            if set(value) == {"text"}
            else "; ".join(f"{name}: {_written(one)}" for name, one in value.items())
            for value in self.inputs[:count]
        ]


def _written(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def text_of(content: bytes) -> str:
    """A file's text, however it is encoded; characters that cannot be read become U+FFFD.

    Raises:
        NotText: It is no text.
    """
    begins = content[:SAMPLE_BYTES].removeprefix(codecs.BOM_UTF8).lstrip()[:9].lower()
    if content.startswith(NO_TEXT_BEGINS) or begins.startswith((b"<!doctype", b"<html", b"<table", b"<?xml")):
        raise NotText
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return _checked(content.decode("utf-16", errors="replace"))
    if b"\0" in content and _is_wide(content):
        return _checked(_guessed(content))
    try:
        return _checked(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        damaged = content.decode("utf-8-sig", errors="replace")
    beyond_ascii = sum(letter > "\x7f" for letter in damaged)
    if damaged.count(UNREADABLE) <= max(1, UTF8_DAMAGE_MAX * beyond_ascii) and beyond_ascii > damaged.count(UNREADABLE):
        return _checked(damaged)  # UTF-8 with a few bad bytes: the rest must not suffer for them
    return _checked(_guessed(content))


def _is_wide(content: bytes) -> bool:
    """Whether content with NUL bytes is UTF-16 without a mark. As UTF-8, that has odd characters everywhere."""
    try:  # a character may be cut at the end of the sample
        text = codecs.getincrementaldecoder("utf-8")().decode(content[:SAMPLE_BYTES])
    except UnicodeDecodeError:
        return True
    return text.count("\0") + len(_CONTROL.findall(text)) > len(text) // 8


def _guessed(content: bytes) -> str:
    found = from_bytes(content[:SAMPLE_BYTES], cp_isolation=WIDE).best() if b"\0" in content else None
    return content.decode(found.encoding if found else encoding_of(content[:SAMPLE_BYTES]), errors="replace")


def _checked(text: str) -> str:
    if text.count("\0") > len(text) // 100 or len(_CONTROL.findall(text)) > len(text) // 50:
        raise NotText
    return text.replace("\0", "").removeprefix("\ufeff")


def read_lines(t: Phrases, text: str, spec: ModelSpec, *, rows_max: int = ROWS_MAX) -> Table:
    """Each line that is not blank as a text.

    Raises:
        NotATable: The model needs more than a text.
        TooManyRows: There are more than ``rows_max``.
    """
    if not takes_text(spec):
        raise NotATable([field.name for field in fields_of(spec)])
    lines = ((row, line.strip()) for row, line in enumerate(io.StringIO(text, newline=None), 1))
    found = list(islice(((row, {"text": line}) for row, line in lines if line), rows_max + 1))
    if len(found) > rows_max:
        raise TooManyRows(rows_max)
    return _table(t, spec, found)


def read_table(t: Phrases, text: str, spec: ModelSpec, *, column: str | None = None, rows_max: int = ROWS_MAX) -> Table:
    """The rows of a CSV: by its columns' names where they are the model's fields, else one column as the text.

    Args:
        column: Take this one as the text.

    Raises:
        NotATable: The model needs fields that no column names.
        TooManyRows: There are more than ``rows_max``.
    """
    rows = _rows(text, known_names(spec, column), rows_max + 2)
    if not rows:
        return Table(())
    columns = columns_of(rows, spec, column)
    if len(rows) - columns.has_header > rows_max:
        raise TooManyRows(rows_max)
    values, wrong, blank = [], [], 0
    for row, cells in rows[columns.has_header :]:
        try:
            value = columns.value_of(cells)
        except TooManyCells:
            wrong.append(RowError(row, (t.plain("batch-cells", count=len(cells), columns=len(columns.titles)),)))
            continue
        if value is None:
            blank += 1
        else:
            values.append((row, value))
    titles, text_column = _shown(columns)
    return _table(t, spec, values, titles, text_column, tuple(wrong), blank=blank)


def _shown(columns: Columns) -> tuple[tuple[str, ...], str | None]:
    """The columns that a person may choose the text from, and the one that is it; None where several are used."""
    if columns.fields is None:
        return columns.titles, columns.titles[columns.text_place] if columns.titles else None
    used = columns.used
    text_column = used[0] if len(used) == 1 and takes_text(columns.spec) else None
    return columns.titles if text_column else tuple(used), text_column


def _table(
    t: Phrases,
    spec: ModelSpec,
    values: Sequence[tuple[int, dict[str, Any]]],
    columns: tuple[str, ...] = (),
    text_column: str | None = None,
    wrong: tuple[RowError, ...] = (),
    *,
    blank: int = 0,
) -> Table:
    explain = schema_errors.explainer(t, spec)
    checked = [(row, value, explain(value)) for row, value in values]
    found = [RowError(row, tuple(reasons)) for row, _, reasons in checked if reasons]
    return Table(
        inputs=tuple(value for _, value, reasons in checked if not reasons),
        columns=columns,
        text_column=text_column,
        blank=blank,
        unreadable=sum(
            any(UNREADABLE in str(one) for one in value.values()) for _, value, reasons in checked if not reasons
        ),
        errors=tuple(sorted((*wrong, *found), key=lambda error: error.row)),
    )


def _rows(text: str, known: set[str], rows_max: int) -> list[Row]:
    """The first rows with their numbers, divided as the file itself shows."""
    delimiter, above = division_of(text, known)
    rows = parse_rows(text[above:], delimiter, rows_max)
    return [(number + 1, cells) for number, cells in rows] if above else rows
