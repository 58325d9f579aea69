"""Tables that people send: what divides the cells, which columns there are, and what of them goes to a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ml_service.domain.csv_rows import rows_in
from ml_service.domain.fields import Field, WrongValue, fields_of, takes_text
from ml_service.domain.models import ModelSpec

SAMPLE_CHARS = 65_536
SAMPLE_ROWS = 64
EMPTY_ROWS_MAX = 1000
"""So many empty rows among the first ones are looked at: a file of nothing else would take long."""
DELIMITERS = (";", "\t", ",", "|")
NOT_A_DELIMITER = "\x1f"
"""For a file of one column: quotes count, and nothing divides."""
TEXT_COLUMNS = frozenset(
    {
        "text", "texts", "comment", "comments", "review", "reviews", "message", "sentence", "phrase", "content", "body",
        "текст", "тексты", "комментарий", "комментарии", "отзыв", "отзывы", "сообщение", "фраза", "предложение",
    }
)  # fmt: skip
HEADER_CHARS_MAX = 40
_NUMBER, _DIGIT = re.compile(r"[\s\d.,:/#№%+-]+"), re.compile(r"\d")

Row = tuple[int, list[str]]
"""A row's number as a spreadsheet counts, from 1, its header included; and its cells."""


class NotATable(ValueError):
    """The model needs these fields, and there are no columns for them."""

    def __init__(self, fields: list[str]) -> None:
        super().__init__(", ".join(fields))
        self.fields = fields


class TooManyCells(ValueError):
    """A row has more cells than there are columns."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns of a table are for.

    Attributes:
        has_header: Whether the first row names them.
        titles: Their names, or numbers where they have none; empty where the lines are the texts.
        fields: Where the columns are the model's fields: for each column its field, or None. Else None.
        text_place: Else: the column that is the text.
        width: How many cells a row has; ``named``: how many of them, from the left, belong to a column with a name.
    """

    spec: ModelSpec
    has_header: bool
    titles: tuple[str, ...]
    fields: tuple[Field | None, ...] | None = None
    text_place: int = 0
    width: int = 1
    named: int = 1

    def value_of(self, cells: Sequence[str]) -> dict[str, Any] | None:
        """The model's input of a row; None where the row is blank.

        Raises:
            TooManyCells: The row has more cells than there are columns: a text may have been divided.
        """
        if len(cells) > self.width and any(cell.strip() for cell in cells[self.named :]):
            raise TooManyCells
        if self.fields is None:
            text = cells[self.text_place].strip() if self.text_place < len(cells) else ""
            return {"text": text} if text else None
        if not any(cell.strip() for cell in cells):
            return None
        value: dict[str, Any] = {}
        for cell, field in zip(cells, self.fields, strict=False):
            if (
                field is None
                or field.name in value
                or (not cell.strip() and (not field.required or field.kind == "string"))
            ):
                continue
            try:
                value[field.name] = field.parse(cell)
            except WrongValue:
                value[field.name] = cell  # the schema says what is wrong with it
        return value if value and ("text" in value or not takes_text(self.spec)) else None

    @property
    def used(self) -> list[str]:
        """Names of the columns that are the model's fields."""
        fields = self.fields or ()
        return list(
            dict.fromkeys(title for title, field in zip(self.titles, fields, strict=False) if field is not None)
        )


def columns_of(rows: Sequence[Row], spec: ModelSpec, column: str | None = None) -> Columns:
    """What the columns are for: the model's fields where they are named so, else one of them is the text.

    Args:
        rows: All rows, or at least those that are `sampled`; not none.
        column: Take this one as the text, if there is one of this name.

    Raises:
        NotATable: The model needs fields that no column names.
    """
    rows = rows[: sampled(rows)]
    fields = {field.name.casefold(): field for field in fields_of(spec)}
    names = [cell.strip() for cell in rows[0][1]]
    known = [fields.get(name.casefold()) for name in names]
    if column is None and any(known) and not (takes_text(spec) and not any(f and f.name == "text" for f in known)):
        missing = [field.name for field in fields.values() if field.required and field not in known]
        if missing:
            raise NotATable(missing)
        return Columns(spec, True, _titles(names), tuple(known), width=len(names), named=_named(names))  # noqa: FBT003
    if not takes_text(spec):
        raise NotATable([field.name for field in fields.values()])
    width = max(len(cells) for _, cells in rows)
    if width == 1:
        has_header = names[0].casefold() in TEXT_COLUMNS or names[0] == column
        return Columns(spec, has_header, (names[0],) if has_header else ())
    has_header = column in names or _has_header(rows, names)
    titles = _titles(names if has_header else [""] * width)
    place = titles.index(column) if column in titles else _text_column(rows[has_header:], titles)
    named = _named(names) if has_header else width
    return Columns(spec, has_header, titles, text_place=place, width=len(titles), named=named)


def _titles(names: Sequence[str]) -> tuple[str, ...]:
    """Names of the columns; a column without one has its number."""
    return tuple(name or str(place) for place, name in enumerate(names, 1))


def _named(names: Sequence[str]) -> int:
    return max((place for place, name in enumerate(names, 1) if name), default=len(names))


def known_names(spec: ModelSpec, column: str | None = None) -> set[str]:
    """Names by which a header is recognised, without case; ``column`` is what is asked for."""
    asked = () if column is None else (column.casefold(),)
    return {field.name.casefold() for field in fields_of(spec)} | TEXT_COLUMNS | {*asked}


def division_of(text: str, known: set[str]) -> tuple[str, int]:
    """What divides the cells of a table that begins with ``text``, and how many characters above it say so."""
    said = re.match(r'(?i)("?)sep=(\\t|.)\1[\r\n]+', text)
    return (said[2].replace(r"\t", "\t"), said.end()) if said else (_delimiter(text, known), 0)


def parse_rows(text: str, delimiter: str, rows_max: int | None = None) -> list[Row]:
    """The rows that are not empty, with their numbers, up to ``rows_max``."""
    rows = enumerate(rows_in(text, delimiter, is_whole=True), 1)
    return list(islice(((number, cells) for number, (cells, _, _) in rows if any(cells)), rows_max))


def sampled(rows: Sequence[Row]) -> int:
    """How many of the first rows tell what the columns are: up to so many rows, and so many characters.

    As many as there are: more rows might be among them.
    """
    chars = 0
    for count, (_, cells) in enumerate(rows):
        if count == SAMPLE_ROWS or chars >= SAMPLE_CHARS:
            return count
        chars += sum(map(len, cells))
    return len(rows)


def _has_header(rows: Sequence[Row], names: list[str]) -> bool:
    """Whether the first row names the columns: by a word that we know, or because its cells are unlike those below."""
    if any(name.casefold() in TEXT_COLUMNS for name in names):
        return True
    if len(rows) < 2 or any(_is_number(name) or len(name) > HEADER_CHARS_MAX for name in names):  # noqa: PLR2004
        return False
    below = [cells for _, cells in rows[1:SAMPLE_ROWS]]
    columns = [[cells[place] for cells in below if place < len(cells) and cells[place]] for place in range(len(names))]
    return any(column and all(map(_is_number, column)) for column in columns)


def _text_column(rows: Sequence[Row], titles: Sequence[str]) -> int:
    """The column that is the text: by its name, else the one with the longest words."""
    for place, title in enumerate(titles):
        if title.casefold() in TEXT_COLUMNS:
            return place
    sample = [cells for _, cells in rows[:SAMPLE_ROWS]]
    lengths = [
        sum(0 if _is_number(cells[place]) else len(cells[place]) for cells in sample if place < len(cells))
        for place in range(len(titles))
    ]
    return lengths.index(max(lengths))


def _is_number(cell: str) -> bool:
    # Two looks, each linear: one pattern for both would take hours for a cell of a million digits and a letter.
    return _DIGIT.search(cell) is not None and _NUMBER.fullmatch(cell) is not None


def _delimiter(text: str, known: set[str]) -> str:
    """What divides the cells: what makes a header of words that we know, else what gives all rows the same width."""
    parsed = {one: _first_rows(text, one) for one in DELIMITERS}
    for one in DELIMITERS:
        rows = parsed[one]
        if rows and len(rows[0]) > 1 and any(cell.strip().casefold() in known for cell in rows[0]):
            return one
    if parsed[","] and any("".join(parsed[","][0]).strip().casefold() == name for name in known):
        return NOT_A_DELIMITER  # a header of one column: commas below it belong to the texts
    even = [one for one in DELIMITERS if parsed[one] and {len(cells) for cells in parsed[one]} == {len(parsed[one][0])}]
    tables = [one for one in even if len(parsed[one][0]) > 1 and not _is_prose(text, one)]
    return max(tables, key=lambda one: len(parsed[one][0])) if tables else NOT_A_DELIMITER


def _first_rows(text: str, delimiter: str, *, keeps_spaces: bool = False) -> list[list[str]]:
    """The first rows that are whole in the sample; where even the first is not, as much of it as shows its cells."""
    sample = text[:SAMPLE_CHARS]

    def first(count: int, *, is_whole: bool) -> list[list[str]]:
        rows = rows_in(sample, delimiter, is_whole=is_whole, keeps_spaces=keeps_spaces)
        looked_at = islice(rows, EMPTY_ROWS_MAX + count)
        return list(islice((cells for cells, _, _ in looked_at if any(cells)), count))

    return first(SAMPLE_ROWS, is_whole=len(text) <= SAMPLE_CHARS) or first(1, is_whole=True)


def _is_prose(text: str, delimiter: str) -> bool:
    """Whether the commas or semicolons are those of sentences: each is followed by a space, before a quote too."""
    return delimiter in ",;" and all(
        cell.startswith(" ") for cells in _first_rows(text, delimiter, keeps_spaces=True) for cell in cells[1:]
    )
