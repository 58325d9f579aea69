"""A CSV that is read piece by piece gives what the whole of it gives."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ml_service.domain import tables
from ml_service.domain.csv_rows import rows_in
from ml_service.domain.errors import InvalidInput
from ml_service.domain.models import ModelSpec
from ml_service.domain.tables import columns_of, division_of, known_names, parse_rows
from ml_service.usecases import bulk_reading
from ml_service.usecases.bulk_reading import CsvLines

SPEC = ModelSpec(
    name="a",
    version="1",
    price_credits=1,
    description="",
    input_schema={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    output_schema={},
)
LINE_MAX = 400_000
PIECES = (1460, 8192, 16_384, 60_000, 65_536, 131_072, 10**9)
NOT_DIVIDED = ("a", "я", '"', ",", ";", "\t", "|", "\n", "\r\n", " ")


def read(content: bytes, piece: int, column: str | None = None, line_max: int = LINE_MAX) -> list[tuple[int, str]]:
    lines = CsvLines(SPEC, column, line_max)
    found = [line for at in range(0, len(content), piece) for line in lines.push(content[at : at + piece])]
    return [(line.number, line.error or line.value["text"]) for line in [*found, *lines.end()] if line is not None]


def read_whole(text: str) -> list[tuple[int, str]]:
    """As the bot does."""
    delimiter, above = division_of(text, known_names(SPEC))
    rows = parse_rows(text[above:], delimiter)
    if not rows:
        return []
    columns = columns_of(rows, SPEC)
    found = []
    for number, cells in rows[columns.has_header :]:
        try:
            value = columns.value_of(cells)
        except tables.TooManyCells:
            value = {"text": f"It has {len(cells)} cells for {len(columns.titles)} columns."}
        if value is not None:
            found.append((number + (above > 0), value["text"]))
    return found


@st.composite
def written_tables(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A table as programs write it, and its texts."""
    rows = draw(st.integers(1, 80))
    atoms = draw(st.lists(st.sampled_from(NOT_DIVIDED), min_size=1, max_size=40))
    lengths = draw(st.lists(st.integers(100, 5000), min_size=1, max_size=9))
    texts = []
    for row in range(rows):
        turned = atoms[row % len(atoms) :] + atoms[: row % len(atoms)]
        texts.append("b" + ("".join(turned) * 5000)[: lengths[row % len(lengths)]] + "e")
    quoting = draw(st.sampled_from((csv.QUOTE_MINIMAL, csv.QUOTE_ALL)))
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=draw(st.sampled_from(tables.DELIMITERS)), quoting=quoting)
    writer.writerow(("nr", "opinion", "language"))
    writer.writerows((number, text, "en") for number, text in enumerate(texts))
    return written.getvalue(), texts


@settings(deadline=None, max_examples=60)
@given(table=written_tables(), is_named=st.booleans())
def test_long_cells_are_divided_alike_wherever_the_file_is_cut(table: tuple[str, list[str]], is_named: bool) -> None:
    written, texts = table
    for piece in PIECES:
        found = read(written.encode(), piece, "opinion" if is_named else None)
        assert found == list(enumerate(texts, 2))


@settings(deadline=None, max_examples=400)
@given(
    text=st.text(st.sampled_from('ab1",;\n\r \t'), max_size=150),
    head=st.sampled_from(("", "text\n", "id,text\n", "id;no\n", "sep=,\n")),
    piece=st.integers(1, 160),
)
def test_any_text_in_pieces_gives_the_rows_of_the_whole(text: str, head: str, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "SAMPLE_CHARS", 40)
        patch.setattr(bulk_reading, "SAMPLE_CHARS", 40)
        assert read((head + text).encode(), piece) == read_whole(head + text)


def spreadsheet_rows(text: str) -> Iterator[list[str]]:
    """The standard library's reading of a text in which all quotes are as they should be."""
    return (cells or [""] for cells in csv.reader(io.StringIO(text, newline=""), strict=True))


@given(st.text(st.sampled_from('ab",\n\r'), max_size=60))
def test_well_formed_text_is_divided_as_csv_is(text: str) -> None:
    try:
        expected = list(spreadsheet_rows(text))
    except csv.Error:
        return
    assert [cells for cells, _, _ in rows_in(text, ",", is_whole=True)] == expected


def test_quotes_that_close_no_cell_are_text() -> None:
    content = b'"Good" he said\n"Bad" she said\n'
    assert read(content, 7) == [(1, '"Good" he said'), (2, '"Bad" she said')]


def test_a_stray_quote_changes_nothing_however_long_the_file_is() -> None:
    rows = [
        "id;text",
        *(f"{row};fine" for row in range(5)),
        '6;a 5" pipe',
        *(f"{row};fine" for row in range(7, 60_000)),
    ]
    found = read("\n".join(rows).encode(), 65_536)
    assert len(found) == len(rows) - 1
    assert found[5] == (7, 'a 5" pipe')


@settings(deadline=None, max_examples=400)
@given(text=st.text(st.sampled_from('ab";\n '), max_size=150), pieces=st.lists(st.integers(1, 160), min_size=2))
@example(text='a;"b\n' + "a;b\n" * 10, pieces=[8, 160])
@example(text='a;"b\n' + "a;b\n" * 10 + 'a;"b"\n', pieces=[8, 160])
def test_a_file_is_refused_by_its_content_alone(text: str, pieces: list[int]) -> None:
    def found(piece: int) -> list[tuple[int, str]] | str:
        try:
            return read(("id;text\n" + text).encode(), piece, line_max=20)
        except InvalidInput as refused:
            return str(refused)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "SAMPLE_CHARS", 10)
        patch.setattr(bulk_reading, "SAMPLE_CHARS", 10)
        assert len({json.dumps(found(piece)) for piece in pieces}) == 1


def test_a_quote_that_is_never_closed_refuses_a_file_that_goes_on_for_more_than_a_line() -> None:
    def table(rows: int) -> bytes:
        return ('id;text\n1;fine\n2;"5 inch pipe\n' + "3;fine\n" * rows).encode()

    for piece in (1, 7, 64, 10**9):
        assert read(table(10), piece, line_max=100)[1:3] == [(3, '"5 inch pipe'), (4, "fine")]
        with pytest.raises(InvalidInput, match="Line 3 is longer than 100 bytes; or a quote in it is not closed"):
            read(table(20), piece, line_max=100)


def test_a_table_whose_first_row_is_longer_than_the_sample_is_divided() -> None:
    long = "word " * 20_000
    assert read(f"1;{long}\n2;{long}\n".encode(), 16_384) == [(1, long.strip()), (2, long.strip())]


def test_a_row_is_as_long_as_a_line_may_be_and_no_longer() -> None:
    for piece in (1000, 10**9):
        assert read(f"text\n{'x' * 140_000}\nok\n".encode(), piece) == [(2, "x" * 140_000), (3, "ok")]
        with pytest.raises(InvalidInput, match="Line 2 is longer than 400000 bytes"):
            read(f"text\n{'x' * LINE_MAX}\nok\n".encode(), piece)


def test_the_columns_do_not_depend_on_how_many_rows_came_at_once() -> None:
    rows = ["what,words", *(f"{'long ' * 9},no" for _ in range(64)), *(f"a,{'longer ' * 900}" for _ in range(200))]
    content = "\n".join(rows).encode()
    assert len({json.dumps(read(content, piece)) for piece in PIECES}) == 1
