"""Reads the lines of a bulk job's file as it comes, piece by piece, in bounded memory."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable
from typing import Any, Protocol

from ml_service.domain.bulk import ReadLine
from ml_service.domain.errors import InvalidInput
from ml_service.domain.fields import fields_of, takes_text
from ml_service.domain.models import ModelSpec
from ml_service.domain.tables import (
    SAMPLE_CHARS,
    SAMPLE_ROWS,
    Columns,
    NotATable,
    Row,
    TooManyCells,
    columns_of,
    division_of,
    known_names,
)

REF_LENGTH_MAX = 200
"""Characters of a client's own id of a line."""
_BLANK = b" \t\r"

Parse = Callable[[bytes], Any]
"""Makes a value of JSON; raises ValueError, whose message never quotes it."""


class Reader(Protocol):
    """Makes lines of a file's bytes. What of the file as a whole is wrong raises InvalidInput."""

    def push(self, piece: bytes) -> list[ReadLine]:
        """The lines that end in this piece."""

    def end(self) -> list[ReadLine]:
        """The lines that are left."""


class JsonLines:
    """A JSON value a line: an input, ``{"id": …, "input": {…}}``, or a text where the model takes a text.

    Blank lines are no lines, but are counted, so that a line's number is that of the file.
    """

    def __init__(self, spec: ModelSpec, parse: Parse, line_bytes_max: int) -> None:
        self._parse = parse
        self._line_bytes_max = line_bytes_max
        self._takes_text = takes_text(spec)
        self._names = {field.name for field in fields_of(spec)}
        self._rest = b""
        self._number = 0

    def push(self, piece: bytes) -> list[ReadLine]:
        """The lines that end in this piece."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > self._line_bytes_max:
            raise too_long(self._number + len(whole) + 1, self._line_bytes_max)
        return [line for text in whole if (line := self._read(text)) is not None]

    def end(self) -> list[ReadLine]:
        """The line that no line break ends."""
        line = self._read(self._rest)
        return [] if line is None else [line]

    def _read(self, text: bytes) -> ReadLine | None:
        self._number += 1
        if len(text) > self._line_bytes_max:
            raise too_long(self._number, self._line_bytes_max)
        if self._number == 1:
            text = text.removeprefix(codecs.BOM_UTF8)
        text = text.strip(_BLANK)
        if not text:
            return None
        try:
            value = self._parse(text)
        except ValueError as error:
            return ReadLine(self._number, None, None, f"This is no JSON: {error}.")
        return self._line_of(value)

    def _line_of(self, value: Any) -> ReadLine:
        ref = None
        if isinstance(value, dict) and self._is_wrapped(value):
            ref, value = value.get("id"), value["input"]
            if ref is not None and (not isinstance(ref, str) or len(ref) > REF_LENGTH_MAX or "\0" in ref):
                message = f"id: it is a text of at most {REF_LENGTH_MAX} characters."
                return ReadLine(self._number, None, None, message)
        if isinstance(value, str) and self._takes_text:
            value = {"text": value}
        if not isinstance(value, dict):
            return ReadLine(self._number, ref, None, "An input is a JSON object.")
        return ReadLine(self._number, ref, value)

    def _is_wrapped(self, value: dict[str, Any]) -> bool:
        """Whether it is an input with an id around it, and not the input of a model that has such a field."""
        return "input" in value and value.keys() <= {"id", "input"} and not value.keys() <= self._names


class CsvLines:
    """A row a line, by the rules that `domain/tables.py` has for every table. Rows are counted as a spreadsheet does.

    What divides the cells and what the columns are is told by the file's beginning.

    Args:
        column: The column that is the text; it must be there. None: as the table itself tells.
    """

    def __init__(self, spec: ModelSpec, column: str | None, line_bytes_max: int) -> None:
        self._spec = spec
        self._column = column
        self._chars_max = line_bytes_max
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._delimiter: str | None = None
        self._columns: Columns | None = None
        self._number = 0

    def push(self, piece: bytes) -> list[ReadLine]:
        """The rows that end in this piece."""
        self._text += self._decoded(piece, is_last=False)
        if self._delimiter is None and len(self._text) < SAMPLE_CHARS:
            return []
        return self._read(is_last=False)

    def end(self) -> list[ReadLine]:
        """The rows that are left."""
        self._text += self._decoded(b"", is_last=True)
        return self._read(is_last=True)

    def _decoded(self, piece: bytes, *, is_last: bool) -> str:
        try:
            return self._decoder.decode(piece, is_last)
        except UnicodeDecodeError:
            message = f"The file is not UTF-8, at row {self._number + 1} or soon after it. Save it as UTF-8."
            raise InvalidInput(message, errors=[{"location": "body", "message": message}]) from None

    def _read(self, *, is_last: bool) -> list[ReadLine]:
        if self._delimiter is None:
            self._delimiter, above = division_of(self._text, known_names(self._spec))
            self._text, self._number = self._text[above:], int(above > 0)
        rows = self._rows(is_last=is_last)
        if self._columns is None and rows:
            self._columns = self._columns_of(rows)
            rows = rows[self._columns.has_header :]
        return [line for row in rows if (line := self._line_of(row)) is not None]

    def _rows(self, *, is_last: bool) -> list[Row]:
        """The rows that are complete: a line break within quotes does not end one."""
        whole, self._text = (self._text, "") if is_last else _until_last_row(self._text)
        if len(self._text) > self._chars_max:
            raise too_long(self._number + whole.count("\n") + 1, self._chars_max)
        assert self._delimiter is not None  # noqa: S101  it was found before
        found = []
        try:
            for cells in csv.reader(io.StringIO(whole, newline=""), delimiter=self._delimiter):
                self._number += 1
                if any(cells):
                    found.append((self._number, cells))
        except csv.Error as error:
            message = f"Row {self._number + 1} cannot be read as CSV: {error}."
            raise InvalidInput(message, errors=[{"location": "body", "message": message}]) from None
        return found

    def _columns_of(self, rows: list[Row]) -> Columns:
        try:
            columns = columns_of(rows[:SAMPLE_ROWS], self._spec, self._column)
        except NotATable as wrong:
            message = f"{self._spec.name} needs columns named {', '.join(wrong.fields)}."
            raise InvalidInput(message, errors=[{"location": "body", "message": message}]) from None
        if self._column is not None and self._column not in columns.titles:
            message = f"There is no such column. Columns: {', '.join(columns.titles)[:1000]}."
            raise InvalidInput(message, errors=[{"location": "query.column", "message": message}])
        return columns

    def _line_of(self, row: Row) -> ReadLine | None:
        number, cells = row
        assert self._columns is not None  # noqa: S101  it was found before
        try:
            value = self._columns.value_of(cells)
        except TooManyCells:
            return ReadLine(number, None, None, f"It has {len(cells)} cells for {len(self._columns.titles)} columns.")
        return None if value is None else ReadLine(number, None, value)


def too_long(number: int, bytes_max: int) -> InvalidInput:
    """The refusal of a file with such a line."""
    message = f"Line {number} is longer than {bytes_max} bytes; or a quote in it is not closed."
    return InvalidInput(message, errors=[{"location": f"body.{number}", "message": message}])


def _until_last_row(text: str) -> tuple[str, str]:
    """``text`` divided after the last line break that is not within quotes."""
    parts = text.split('"')
    end = len(text)
    for place in range(len(parts) - 1, -1, -1):
        start = end - len(parts[place])
        if place % 2 == 0 and (found := parts[place].rfind("\n")) >= 0:
            return text[: start + found + 1], text[start + found + 1 :]
        end = start - 1
    return "", text
