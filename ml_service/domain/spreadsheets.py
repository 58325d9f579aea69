"""CSV that people open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula at the beginning of a cell (OWASP: CSV injection)."""


def cell(value: Any) -> Any:
    """A value as it may stand in a cell: a text never begins a formula, a number stays a number."""
    if isinstance(value, str) and value.startswith(FORMULA_SIGNS):
        return "'" + value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value


def rows_as_csv(rows: Iterable[Iterable[Any]]) -> bytes:
    """Rows as CSV (RFC 4180) in UTF-8; None is an empty cell."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerows([cell(value) for value in row] for row in rows)
    return out.getvalue().encode(errors="replace")
