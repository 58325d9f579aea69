"""What the bot sends as a file: an output that is too long for a message, and all answers of a batch."""

from __future__ import annotations

import codecs
import csv
import io
import tempfile
from collections import Counter
from collections.abc import Sequence
from typing import Any, BinaryIO

import orjson

from ml_service.domain.predictions import Prediction, Status
from ml_service.domain.spreadsheets import cell
from ml_service.usecases.bulk_results import ResultRow
from services.bot.phrases import Phrases
from services.bot.views import outputs
from services.bot.views.answers import input_text

BYTES_MAX = 45_000_000
"""Telegram takes up to 50 MB."""
COLUMNS = ("number", "input", "status", "label", "confidence", "output", "error", "id")


def output(t: Phrases, prediction: Prediction) -> tuple[str, bytes]:
    """The whole output of a prediction as JSON: the file's name and its content."""
    content = orjson.dumps(orjson.loads(prediction.output or "null"), option=orjson.OPT_INDENT_2)
    return t.plain("output-file-name"), content


class BatchReport:
    """Answers of a batch or a bulk job as CSV in a temporary file, so much of them as Telegram takes in one.

    Excel in Russian expects semicolons, and the byte order mark so that it reads UTF-8.

    Args:
        after: The number of the row before the first one.

    Attributes:
        rows: How many rows the file has.
        last: The number of the last one.
        is_full: Not all rows have found room: another file goes on after ``last``.
        is_cut: Texts of a row that is too large for any file were left out.
        labels: What models say in a word, over these rows.
    """

    def __init__(self, t: Phrases, after: int = 0) -> None:
        self._t = t
        self.file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115  closed by `close`
        self._size = self.file.write(codecs.BOM_UTF8 + self._encoded(COLUMNS))
        self.rows, self.last = 0, after
        self.is_full = self.is_cut = False
        self.labels: Counter[str] = Counter()

    @property
    def name(self) -> str:
        """The file's name."""
        return self._t.plain("batch-file-name")

    def add(self, rows: Sequence[ResultRow]) -> None:
        """Write the next rows, those that find room; computes and writes, so call it outside of the event loop."""
        for one in rows:
            label = self._write(one)
            if self.is_full:
                break
            self.rows, self.last = self.rows + 1, one.result.line
            if label is not None:
                self.labels[label] += 1
        self.file.flush()

    def close(self) -> None:
        """Delete the file."""
        self.file.close()

    def _write(self, one: ResultRow) -> str | None:
        found = one.result
        value = orjson.loads(found.output) if found.output else None  # None, too, where it is erased
        known = value if isinstance(value, dict) else {}
        label = next((known[name] for name in outputs.LABEL_FIELDS if isinstance(known.get(name), str)), "")
        texts = [input_text(one.input) if one.input else "", found.output or ""]
        row = [found.line, found.status, label, known.get("confidence", ""), found.error, found.ref]
        line = self._line(row, texts)
        if self._size + len(line) > BYTES_MAX and not self.rows:
            line, self.is_cut = self._line(row, ["", ""]), True
        if self._size + len(line) > BYTES_MAX:
            self.is_full = True
            return None
        self._size += self.file.write(line)
        return outputs.main_label(self._t, value) if found.status == Status.SUCCEEDED else None

    def _line(self, row: Sequence[Any], texts: Sequence[str]) -> bytes:
        number, status, label, confidence, error, id_ = row
        cells = [texts[0], status, label, confidence, texts[1], error.message if error else "", id_ or ""]
        return self._encoded([number, *map(cell, cells)])

    def _encoded(self, row: Sequence[Any]) -> bytes:
        out = io.StringIO()
        csv.writer(out, lineterminator="\r\n", delimiter=self._t.plain("csv-delimiter")).writerow(row)
        return out.getvalue().encode(errors="replace")
