"""Reads the lines of a bulk job's file as it comes, piece by piece, in bounded memory."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from ml_service.domain.bulk import ReadLine
from ml_service.domain.csv_rows import rows_in
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
    sampled,
)

REF_LENGTH_MAX = 200
"""Characters of a client's own id of a line."""
_BLANK = b" \t\r"

Parse = Callable[[bytes], Any]
"""Makes a value of JSON; raises ValueError, whose message never quotes it."""


class Reader(Protocol):
    """Makes lines of a file's bytes. What of the file as a whole is wrong raises InvalidInput.

    None stands for what gives no line now, such as a blank one: who reads may pause between any two.
    """

    def push(self, piece: bytes) -> Iterator[ReadLine | None]:
        """The lines that end in this piece. Read all of them before the next piece."""

    def end(self) -> Iterator[ReadLine | None]:
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

    def push(self, piece: bytes) -> Iterator[ReadLine | None]:
        """The lines that end in this piece, and None for blank ones."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > self._line_bytes_max:
            raise too_long(self._number + len(whole) + 1, self._line_bytes_max)
        yield from map(self._read, whole)

    def end(self) -> Iterator[ReadLine | None]:
        """The line that no line break ends; None where it is blank."""
        yield self._read(self._rest)

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
        self._pieces: list[str] = []
        self._chars = 0
        self._chars_awaited = SAMPLE_CHARS
        self._delimiter: str | None = None
        self._columns: Columns | None = None
        self._number = 0
        self._rows: list[Row] = []

    def push(self, piece: bytes) -> Iterator[ReadLine | None]:
        """The rows that end in this piece, or soon after, and None for those that give no line yet."""
        self._add(self._decoded(piece, is_last=False))
        if self._chars > self._chars_awaited:
            yield from self._read(is_last=False)

    def end(self) -> Iterator[ReadLine | None]:
        """The rows that are left, and None for blank ones."""
        self._add(self._decoded(b"", is_last=True))
        yield from self._read(is_last=True)

    def _add(self, text: str) -> None:
        self._pieces.append(text)
        self._chars += len(text)

    def _decoded(self, piece: bytes, *, is_last: bool) -> str:
        try:
            return self._decoder.decode(piece, is_last)
        except UnicodeDecodeError:
            message = f"The file is not UTF-8, at row {self._number + 1} or soon after it. Save it as UTF-8."
            raise InvalidInput(message, errors=[{"location": "body", "message": message}]) from None

    def _read(self, *, is_last: bool) -> Iterator[ReadLine | None]:
        text = "".join(self._pieces)
        if self._delimiter is None:
            self._delimiter, above = division_of(text, known_names(self._spec, self._column))
            text, self._number = text[above:], int(above > 0)
        read_to = 0
        for cells, end, told in rows_in(text, self._delimiter, is_whole=is_last):
            self._check_length(told - read_to)  # as where the file is cut before the place that tells the row
            read_to = end
            self._number += 1
            yield self._taken((self._number, cells)) if any(cells) else None
            if len(self._rows) > SAMPLE_ROWS:
                yield from self._begin()
        rest = text[read_to:]
        self._check_length(len(rest))
        # A long row is looked at again when it has doubled: with each piece would take the square of its length.
        self._pieces, self._chars, self._chars_awaited = [rest], len(rest), 2 * len(rest)
        if self._rows and (is_last or sampled(self._rows) < len(self._rows)):
            yield from self._begin()

    def _check_length(self, chars: int) -> None:
        """Of the next row with all that tells it, or of what there is of it."""
        if chars > self._chars_max:
            raise too_long(self._number + 1, self._chars_max)

    def _taken(self, row: Row) -> ReadLine | None:
        """The line of a row; None while it is kept, to tell what the columns are."""
        if self._columns is not None:
            return self._line_of(row)
        self._rows.append(row)
        return None

    def _begin(self) -> Iterator[ReadLine | None]:
        """What the rows so far say, of which there are enough to tell what the columns are."""
        self._columns = self._columns_of(self._rows)
        rows, self._rows = self._rows[self._columns.has_header :], []
        yield from map(self._line_of, rows)

    def _columns_of(self, rows: list[Row]) -> Columns:
        try:
            columns = columns_of(rows, self._spec, self._column)
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
