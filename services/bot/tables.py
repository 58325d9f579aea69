"""Texts and tables that a person sends, as inputs of a model."""

from __future__ import annotations

import csv
import io
from typing import Any

from ml_service.domain.models import ModelSpec
from services.bot.forms import Field, WrongValue, fields_of, takes_text


class NotATable(ValueError):
    """The model needs these fields, and there are no columns for them."""

    def __init__(self, fields: list[str]) -> None:
        super().__init__(", ".join(fields))
        self.fields = fields


def text_of(content: bytes) -> str:
    """A file's text: UTF-8 or UTF-16 with a mark, else UTF-8, else what Russian Windows writes (cp1251)."""
    if content[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1251", errors="replace")


def inputs_of_lines(text: str, spec: ModelSpec) -> list[dict[str, Any]]:
    """Each line that is not empty as a text; raises NotATable where the model needs more than a text."""
    if not takes_text(spec):
        raise NotATable([field.name for field in fields_of(spec)])
    return [{"text": line.strip()} for line in text.splitlines() if line.strip()]


def inputs_of_table(text: str, spec: ModelSpec) -> list[dict[str, Any]]:
    """The rows of a CSV: by its columns' names where they are the model's fields, else its first column as the text.

    Raises:
        NotATable: The model needs fields that no column names.
    """
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=_delimiter(text)) if any(map(str.strip, row))]
    if not rows:
        return []
    fields = {field.name: field for field in fields_of(spec)}
    names = [cell.strip().lstrip("\ufeff") for cell in rows[0]]
    if any(name in fields for name in names):
        missing = [field.name for field in fields.values() if field.required and field.name not in names]
        if missing:
            raise NotATable(missing)
        return [_input(names, row, fields) for row in rows[1:]]
    if not takes_text(spec):
        raise NotATable(list(fields))
    return [{"text": row[0].strip()} for row in rows if row[0].strip()]


def _input(names: list[str], row: list[str], fields: dict[str, Field]) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for name, cell in zip(names, row, strict=False):
        field = fields.get(name)
        if field is None or (not cell.strip() and not field.required):
            continue
        try:
            value[name] = field.parse(cell)
        except WrongValue:
            value[name] = cell  # the schema says what is wrong, and in which row
    return value


def _delimiter(text: str) -> str:
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)
