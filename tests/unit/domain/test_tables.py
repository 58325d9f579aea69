"""What divides a table, and which of it is the text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ml_service.domain.models import ModelSpec
from ml_service.domain.tables import columns_of, division_of, known_names, parse_rows

# tests/web/bulk_source.test.js reads the same files by the page's own rules.
FILES: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "support/divided_tables.json").read_text())
SPEC = ModelSpec(
    name="a",
    version="1",
    price_credits=1,
    description="",
    input_schema={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    output_schema={},
)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file["what"])
def test_a_file_gives_the_same_texts_here_as_on_the_page(file: dict[str, Any]) -> None:
    delimiter, start = division_of(file["text"], known_names(SPEC))
    rows = parse_rows(file["text"][start:], delimiter)
    columns = columns_of(rows, SPEC)
    values = [columns.value_of(cells) for _, cells in rows[columns.has_header :]]
    assert [value["text"] for value in values if value is not None] == file["texts"]
