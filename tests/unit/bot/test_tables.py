"""Files of every dialect and encoding become the texts that a person sees in a spreadsheet."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_service.domain.models import ModelSpec
from ml_service.domain.tables import NotATable
from ml_service.usecases.bulk_reading import CsvLines
from services.bot import schema_errors
from services.bot.phrases import LANGUAGES, phrases
from services.bot.tables import SAMPLE_BYTES, UNREADABLE, NotText, TooManyRows, read_lines, read_table, text_of
from services.bot.views import batches
from tests.support.bot_views import shown

EN, RU = phrases("en"), phrases("ru")
ENCODED: list[dict[str, str]] = json.loads((Path(__file__).parents[2] / "support/encoded_texts.json").read_text())
TEXT: dict[str, Any] = {"type": "string", "minLength": 1, "maxLength": 50}


def spec(*required: str, **properties: Any) -> ModelSpec:
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return ModelSpec("m", "1", "", 1, schema, {})


PLAIN = spec("text", text=TEXT)
WIDE = spec("color", "count", color={"enum": ["red", "green"]}, count={"type": "integer", "minimum": 1}, note=TEXT)
DIALECTS: dict[str, tuple[str, list[str]]] = {
    "sentences with commas": (
        "Отлично, спасибо!\nПлохо, очень, плохо\nТак себе\n",
        ["Отлично, спасибо!", "Плохо, очень, плохо", "Так себе"],
    ),
    "sentences with one comma each": ("Good, fast\nBad, slow\n", ["Good, fast", "Bad, slow"]),
    "a header over sentences": ("text\nGood, fast\nBad\n", ["Good, fast", "Bad"]),
    "a Russian header": ("Отзыв\nХорошо, но дорого\n", ["Хорошо, но дорого"]),
    "semicolons": ("text;id\nпервый;1\nвторой;2\n", ["первый", "второй"]),
    "tabs": ("id\ttext\n1\tgood, nice\n2\tbad\n", ["good, nice", "bad"]),
    "pipes": ("id|text\n1|good, nice\n2|bad\n", ["good, nice", "bad"]),
    "quotes": ('id,text\n1,"good, nice"\n2,"so ""bad"""\n', ["good, nice", 'so "bad"']),
    "quotes over lines": ('id,text\n1,"two\nlines"\n2,b\n', ["two\nlines", "b"]),
    "one quoted column": ('"a, b"\r\n"c"\r\n', ["a, b", "c"]),
    "a quoted word": ('"Nice" he said\nplain\n', ['"Nice" he said', "plain"]),
    "a stray quote": ('id,text\n1,he said "hi\n2,bad\n', ['he said "hi', "bad"]),
    "a quote never closed": ('"abc\ndef, ghi\nxyz\n', ['"abc', "def, ghi", "xyz"]),
    "sep=": ("sep=;\r\nid;text\r\n1;good\r\n2;bad\r\n", ["good", "bad"]),
    "sep= of a tab": ("SEP=\t\nid\ttext\n1\tgood\n", ["good"]),
    "carriage returns": ("id,text\r1,good\r2,bad\r", ["good", "bad"]),
    "an id column": ("17;первый текст\n18;второй, да\n", ["первый текст", "второй, да"]),
    "a header that is only unlike": ("№;Что написали\n1;первый текст\n2;второй\n", ["первый текст", "второй"]),
    "blank rows": ("text;id\n\n;1\nfirst;2\n;;\n", ["first"]),
    "a byte order mark": ("\ufefftext;id\nfirst;1\n", ["first"]),
    "sentences with a semicolon each": (
        "Хорошо; но дорого\nПлохо; но дёшево\n",
        ["Хорошо; но дорого", "Плохо; но дёшево"],
    ),
    "a column that is there twice": ("text;text\nfirst;second\n", ["first"]),
    "one line": ("hello, world", ["hello, world"]),
    "capitals": ("TEXT,ID\nfirst,1\n", ["first"]),
    "nothing": ("\n\n", []),
    "sep= in quotes": ('"sep=;"\nid;text\n1;a, b\n', ["a, b"]),
    "an index without a name": (",text\n0,first\n1,second\n", ["first", "second"]),
    "a last column without a name": ("id;text;\n1;first;note\n2;second;\n", ["first", "second"]),
    "a delimiter after each row": ("text;\nfirst;\nsecond;\n", ["first", "second"]),
    "blank cells after a row": ("id,text\n1,first,,\n2,second\n", ["first", "second"]),
}


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_is_understood(name: str) -> None:
    content, texts = DIALECTS[name]
    table = read_table(EN, content, PLAIN)
    assert [value["text"] for value in table.inputs] == texts
    assert table.errors == ()


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        ("id,text\n1,good, fast\n2,bad\n", [2]),
        ("text,,\ngood, fast,,\nbad,,\n", [2]),
        ("№;Отзыв\n1;хорошо; но дорого\n2;плохо\n", [2]),
        ("".join(f"{number};text {number}\n" for number in range(80)) + "80;half;other half\n", [81]),
        ("Comment|Date\ngood|fast|today\nbad|today\n", [2]),
    ],
)
def test_no_part_of_a_text_is_left_out_in_silence(content: str, rows: list[int]) -> None:
    table = read_table(EN, content, PLAIN)
    assert [error.row for error in table.errors] == rows
    assert all("cells" in error.reasons[0] for error in table.errors)


@pytest.mark.parametrize("content", ["a\n" * 5_000_000, "text\n" + "a b\n" * 2_000_000, '"a"\r\n' * 1_500_000])
def test_more_rows_than_may_be_are_refused_before_they_are_read(content: str) -> None:
    for read in (read_lines, read_table):
        began = time.process_time()
        with pytest.raises(TooManyRows):
            read(EN, content, PLAIN)
        assert time.process_time() - began < 5
    assert len(read_lines(EN, "a\n" * 20, PLAIN, rows_max=20).inputs) == 20
    assert len(read_table(EN, "text\n" + "a\n" * 20, PLAIN, rows_max=20).inputs) == 20
    with pytest.raises(TooManyRows):
        read_table(EN, "text\n" + "a\n" * 21, PLAIN, rows_max=20)


CELL = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=20)


@given(
    st.lists(st.tuples(st.integers(1, 10**6), CELL), min_size=1, max_size=20),
    st.sampled_from([";", ",", "\t", "|"]),
    st.sampled_from(["\r\n", "\n", "\r"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
)
def test_whatever_a_spreadsheet_writes_is_read_back(
    rows: list[tuple[int, str]], delimiter: str, ending: str, quoting: int
) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator=ending, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["id", "text"])
    writer.writerows(rows)
    table = read_table(EN, out.getvalue(), PLAIN)
    assert [value["text"] for value in table.inputs] == [text for _, text in rows]
    assert (table.text_column, table.errors) == ("text", ())


@given(st.text(max_size=300), st.sampled_from([PLAIN, WIDE]))
def test_no_file_breaks_it(content: str, model: ModelSpec) -> None:
    content = content.encode(errors="replace").decode()
    for read in (read_lines, read_table):
        try:
            read(RU, content, model)
        except NotATable:
            assert model is WIDE


@given(st.binary(max_size=300))
def test_any_bytes_are_a_text_or_are_said_to_be_none(content: bytes) -> None:
    with contextlib.suppress(NotText):
        assert "\0" not in text_of(content)


@pytest.mark.parametrize(
    "piece", ["1", "1a", ",", ";a\n", "\n", '"', '",', "a,", "a;", " ", "\t", "#", "sep=", "\ufffd", "=", "|\r", "1 "]
)
def test_no_file_takes_long_to_read(piece: str) -> None:
    """The bot waits for it: a pattern of quadratic cost would take hours for a megabyte."""
    for content in (piece * 20_000, piece * 20_000 + "x", f"{piece * 20_000}x;b\n1;2\n"):
        began = time.process_time()
        for read in (read_lines, read_table):
            read(EN, content, PLAIN)
        assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04 xlsx",
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 xls",
        b"%PDF-1.7\n1 0 obj\n",
        b"{\\rtf1\\ansi hello}",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0 JFIF",
        b"\n<!DOCTYPE html><table>",
        b"<HTML><table>",
        b"<table><tr><td>a</td></tr></table>",
        b"\xef\xbb\xbf<html>",
        b"<?xml version='1.0'?><Workbook>",
        b"SQLite format 3\0 x",
        b"OggS\0\2 abcd",
        b"7z\xbc\xaf\x27\x1c\0\4",
        b"\xfd7zXZ\0 a",
        b"BZh91AY&SY",
        bytes(range(1, 256)) * 9,
    ],
)
def test_what_is_no_text_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(NotText):
        text_of(content)


RUSSIAN = "id;текст\n1;Отличный сервис, спасибо!\n2;Плохо – очень плохо\n"


def test_a_stray_nul_does_not_turn_a_text_into_chinese() -> None:
    for length in range(40, 44):
        with pytest.raises(NotText):
            text_of(b"text\nhi\0there\n".ljust(length, b"x"))
    lines = "text\n" + "A good one.\n" * 40
    for place in (7, 8, len(lines) - 1):
        assert text_of(f"{lines[:place]}\0{lines[place:]}".encode()) == lines
    long = "x" + "я" * SAMPLE_BYTES
    assert text_of(f"\0{long}".encode()) == long


def test_a_tab_may_be_named_in_words() -> None:
    for first in ("sep=\\t", '"sep=\\t"', "SEP=\t"):
        table = read_table(EN, f"{first}\r\nid\ttext\r\n1\tone, two\r\n", PLAIN)
        assert (table.columns, table.inputs) == (("id", "text"), ({"text": "one, two"},))


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1251", "koi8-r", "cp866"]
)
def test_every_encoding_of_russian_is_read(encoding: str) -> None:
    text = RUSSIAN if encoding not in {"koi8-r", "cp866"} else RUSSIAN.replace("–", "-")
    assert text_of(text.encode(encoding)) == text


# The page reads the same files by its own rules: tests/web/bulk_source.test.js.
@pytest.mark.parametrize("file", ENCODED, ids=lambda file: f"{file['encoding']}-{file['text']}")
def test_a_short_file_is_decoded_by_the_letters_that_are_usual(file: dict[str, str]) -> None:
    assert text_of(bytes.fromhex(file["hex"])) == file["text"]


def test_a_bad_byte_spoils_only_its_own_row() -> None:
    content = (RUSSIAN * 5).encode()
    broken = content[:60] + b"\xff" + content[60:]
    text = text_of(broken)
    assert text.count(UNREADABLE) <= 3
    assert "Плохо – очень плохо" in text
    assert read_table(RU, text, PLAIN).unreadable == 1


@pytest.mark.parametrize("content", [b"PK\x03\x04" + bytes(range(256)) * 4, bytes(2000)])
def test_what_is_no_text_is_said(content: bytes) -> None:
    with pytest.raises(NotText):
        text_of(content)


@pytest.mark.parametrize("number", [2**53 - 1, 2**53, 2**53 + 1, 2**53 + 2, 2**63 - 1, -(2**63)])
def test_a_large_number_of_a_table_stays_as_it_is_written(number: int) -> None:
    content, model = f"color;count\nred;{number}\n", spec("color", "count", color=TEXT, count={"type": "integer"})
    lines = CsvLines(model, None, 1000)
    (line,) = filter(None, [*lines.push(content.encode()), *lines.end()])
    (value,) = read_table(EN, content, model).inputs
    assert value == line.value == {"color": "red", "count": number}


def test_another_column_can_be_taken() -> None:
    content = "id;отзыв;ответ\n1;хорошо;спасибо\n2;плохо;жаль\n"
    table = read_table(RU, content, PLAIN)
    assert (table.columns, table.text_column) == (("id", "отзыв", "ответ"), "отзыв")
    table = read_table(RU, content, PLAIN, column="ответ")
    assert [value["text"] for value in table.inputs] == ["спасибо", "жаль"]


def test_what_is_no_text_is_shown_as_json() -> None:
    for kind, cell, first in (
        ("array", '"[""a"", true]"', '["a",true]'),
        ("integer", "7", "7"),
        ("boolean", "yes", "true"),
    ):
        table = read_table(EN, f"text\n{cell}\n", spec("text", text={"type": kind}))
        assert (table.first(3), table.errors) == ([first], ())
        question = batches.question(EN, table, model="m", name="f.csv", cost=1, balance=5, number="0" * 8, note=None)
        assert first in shown(question)
    wide = read_table(EN, "sure;n\nyes;1\n", spec("sure", "n", sure={"type": "boolean"}, n={"type": "integer"}))
    assert wide.first(1) == ["sure: true; n: 1"]


def test_a_cell_of_json_that_is_nested_too_deeply_spoils_only_its_own_row() -> None:
    table = read_table(EN, f"text,tags\na,[]\nb,{'[' * 2000}\n", spec("tags", text=TEXT, tags={"type": "array"}))
    assert [value["text"] for value in table.inputs] == ["a"]
    assert [error.row for error in table.errors] == [3]


def test_errors_name_the_row_and_the_reason_in_the_language() -> None:
    content = "color;count;note\nred;1;a\nblue;0;\n;;\ngreen;x;b\nred;2;c;d\n"
    table = read_table(EN, content, WIDE)
    assert [(error.row, error.reasons) for error in table.errors] == [
        (3, ("color: must be one of: red, green", "count: must be 1 or more")),
        (5, ("count: must be a whole number",)),
        (6, ("it has 4 cells, and there are 3 columns",)),
    ]
    assert table.inputs == ({"color": "red", "count": 1, "note": "a"},)
    russian = read_table(RU, content, WIDE)
    assert russian.errors[0].reasons == ("color: допустимые значения: red, green", "count: нужно не меньше 1")
    long = read_lines(RU, "коротко\n" + "x" * 51, PLAIN)
    assert [(error.row, error.reasons) for error in long.errors] == [
        (2, ("text: слишком длинно, максимум символов: 50",))
    ]
    with pytest.raises(NotATable) as wrong:
        read_table(EN, "count\n1\n", WIDE)
    assert wrong.value.fields == ["color"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_keyword_of_a_schema_has_words_in_the_language(language: str) -> None:
    t = phrases(language)
    nasty = {
        "minimum": (3, 1), "maximum": (3, 9), "exclusiveMinimum": (3, 3), "exclusiveMaximum": (3, 3),
        "multipleOf": (2, 3), "minLength": (2, "a"), "maxLength": (2, "aaa"), "minItems": (1, []), "maxItems": (0, [1]),
        "uniqueItems": (True, [1, 1]), "pattern": ("^a$", "b"), "const": (1, 2), "enum": (["a"], "b"),
        "type": ("string", 1), "anyOf": ([{"type": "string"}], 1), "oneOf": ([{"type": "string"}], 1), "not": ({}, 1),
        "contains": ({"const": 1}, []),
    }  # fmt: skip
    for keyword, (limit, value) in nasty.items():
        (words,) = schema_errors.explain_field(t, spec(x={keyword: limit}), "x", value)
        assert words
        if language == "ru":
            assert any("а" <= letter <= "я" for letter in words)
    assert schema_errors.explain(t, spec("a", a={}), {"b": 1})
    assert schema_errors.explain_field(t, WIDE, "count", 3) == []


@pytest.mark.parametrize(
    ("limit", "english", "russian"),
    [
        (0.0001, "0.0001", "0,0001"),
        (0.0005, "0.0005", "0,0005"),
        (2.71828, "2.71828", "2,71828"),
        (-1e-9, "-1e-9", "-1e-9"),
        (1.5e-9, "1.5e-9", "1,5e-9"),
        (1e300, "1e+300", "1e+300"),
        (5.0, "5", "5"),
        (60_000, "60,000", "60\xa0000"),
        (2**53 + 1, "9,007,199,254,740,993", "9\xa0007\xa0199\xa0254\xa0740\xa0993"),
    ],
)
def test_a_limit_is_named_to_its_last_digit(limit: float, english: str, russian: str) -> None:
    for keyword, value in (("minimum", limit - abs(limit) - 1), ("exclusiveMaximum", limit + abs(limit) + 1)):
        for t, written in ((EN, english), (RU, russian)):
            (words,) = schema_errors.explain_field(t, spec(x={keyword: limit}), "x", value)
            assert f" {written}" in words
    (words,) = schema_errors.explain_field(RU, spec(x={"multipleOf": abs(limit)}), "x", abs(limit) * 1.5)
    assert words == f"нужно число, кратное {russian.removeprefix('-')}"


@pytest.mark.parametrize(
    ("language", "words"), [("en", "stile (did you mean style?)"), ("ru", "stile (может быть, style?)")]
)
def test_an_unknown_field_is_said_with_the_one_that_may_be_meant(language: str, words: str) -> None:
    (said,) = schema_errors.explain(phrases(language), spec(style={}), {"stile": 1, "zzz": 2})
    assert said.endswith(f": {words}, zzz")
