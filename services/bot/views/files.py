"""What the bot sends as a file: an output that is too long for a message, and all answers of a batch."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

import orjson

from ml_service.domain.predictions import Prediction, Status
from ml_service.domain.spreadsheets import cell
from services.bot.phrases import Phrases
from services.bot.views import outputs
from services.bot.views.answers import input_text

BYTES_MAX = 16_000_000
"""Telegram takes up to 50 MB; the file is made in memory."""
COLUMNS = ("number", "input", "status", "label", "confidence", "output", "error", "id")


def output(t: Phrases, prediction: Prediction) -> tuple[str, bytes]:
    """The whole output of a prediction as JSON: the file's name and its content."""
    content = orjson.dumps(orjson.loads(prediction.output or "null"), option=orjson.OPT_INDENT_2)
    return t.plain("output-file-name"), content


class BatchReport:
    """All answers of a batch as CSV, and its sums; rows are added a few at a time, so that memory stays bounded.

    Excel in Russian expects semicolons, and the byte order mark so that it reads UTF-8.
    """

    def __init__(self, t: Phrases) -> None:
        self._t = t
        self._out = io.StringIO()
        self._writer = csv.writer(self._out, lineterminator="\r\n", delimiter=t.plain("csv-delimiter"))
        self._writer.writerow(COLUMNS)
        self.total = self.done = self.paid = self.open = 0
        self.is_cut = False
        self.labels: Counter[str] = Counter()

    @property
    def name(self) -> str:
        """The file's name."""
        return self._t.plain("batch-file-name")

    def add(self, predictions: Sequence[Prediction]) -> None:
        """Add the next rows, in the order of the batch."""
        for one in predictions:
            self.total += 1
            self.open += not one.is_terminal
            value = orjson.loads(one.output) if one.output else None  # None, too, where it is erased
            if one.status is Status.SUCCEEDED:
                self.done += 1
                self.paid += one.cost
                if label := outputs.main_label(self._t, value):
                    self.labels[label] += 1
            self._write(one, value)

    def _write(self, one: Prediction, value: Any) -> None:
        known = value if isinstance(value, dict) else {}
        label = next((known[name] for name in outputs.LABEL_FIELDS if isinstance(known.get(name), str)), "")
        texts = [input_text(one.input), "" if one.is_erased else one.output or ""]
        if self._out.tell() + sum(map(len, texts)) > BYTES_MAX // 2:  # a character takes two bytes, or a few more
            texts, self.is_cut = ["", ""], True
        error = one.error.message if one.error else ""
        row = [texts[0], one.status.value, label, known.get("confidence", ""), texts[1], error, str(one.id)]
        self._writer.writerow([self.total, *map(cell, row)])

    def content(self) -> bytes:
        """The file."""
        return self._out.getvalue().encode("utf-8-sig", errors="replace")
