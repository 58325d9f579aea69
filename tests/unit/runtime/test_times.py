"""Dates and durations mean what they say: those of numpy in any unit, and how long a model wants to wait."""

from __future__ import annotations

import datetime as dt
import decimal
import fractions
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ml_service.runtime.author import Retry
from ml_service.runtime.child.outputs import InvalidOutput, plain

DATES = {
    "Y": "2026-01-01",
    "M": "2026-01-01",
    "W": "2026-01-01",
    "D": "2026-01-02",
    "h": "2026-01-02T03:00:00",
    "m": "2026-01-02T03:04:00",
    "s": "2026-01-02T03:04:05",
    "ms": "2026-01-02T03:04:05.006000",
    **dict.fromkeys(["us", "ns", "10ns"], "2026-01-02T03:04:05.006007"),
}
FINEST = {"ps": 10**12, "fs": 10**15, "as": 10**18}


@pytest.mark.parametrize(("unit", "expected"), DATES.items())
def test_a_date_of_numpy_is_iso_text_in_each_unit(unit: str, expected: str) -> None:
    value = np.datetime64("2026-01-02T03:04:05.006007").astype(f"M8[{unit}]")
    assert plain(value) == expected
    assert plain({"dates": np.array([[value, np.datetime64("NaT")]])}) == {"dates": [[expected, None]]}
    assert plain({value: 1}) == {expected: 1}


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_dates_in_masked_and_structured_arrays_are_texts_too(unit: str) -> None:
    date = np.datetime64("2026-01-02T03:04:05").astype(f"M8[{unit}]")
    text = "2026-01-02T03:04:05"
    masked = np.ma.array([date, date], mask=[False, True])
    assert plain(masked) == [text, None]
    assert (plain(masked[0]), plain(masked[1])) == (text, None)
    kind = [("at", f"M8[{unit}]"), ("all", f"M8[{unit}]", 2), ("in", [("took", f"m8[{unit}]"), ("n", "i4")])]
    rows = np.array([(date, [date, date], (date - date, 7))], dtype=kind)
    expected = [text, [text, text], [0, 7]]
    for each in (rows, rows.view(np.recarray), np.ma.array(rows)):
        assert (plain(each), plain(each[0])) == ([expected], expected)
    assert plain(rows[0:0]) == []
    assert plain(np.ma.array(rows, mask=[True])) == [[None, [None, None], None]]


@pytest.mark.parametrize(("unit", "in_a_second"), FINEST.items())
def test_dates_and_durations_are_the_same_in_the_finest_units(unit: str, in_a_second: int) -> None:
    assert plain(np.datetime64(in_a_second, unit)) == "1970-01-01T00:00:01"
    assert plain(np.timedelta64(5 * in_a_second, unit)) == 5


@pytest.mark.parametrize("unit", ["W", "D", "h", "m", "s", "ms", "us", "ns", "10ns"])
def test_a_duration_of_numpy_is_in_seconds_in_each_unit(unit: str) -> None:
    value = np.timedelta64(1, "W").astype(f"m8[{unit}]")
    assert plain(value) == 604_800
    assert plain(np.array([value, np.timedelta64("NaT")])) == [604_800, None]


@pytest.mark.parametrize(
    "value",
    [
        *(np.timedelta64(1, "Y"), np.timedelta64(1, "M"), np.timedelta64(5), np.timedelta64(2**62, "D")),
        *(np.timedelta64(5, "ns"), np.timedelta64(1, "ps"), np.datetime64(5, "ns"), np.datetime64(2**62 + 1, "as")),
        *(np.datetime64("20000-01-01"), np.datetime64(2**62, "Y"), np.datetime64("20000-01-01T00:00:00")),
    ],
    ids=repr,
)
def test_what_is_no_date_or_duration_of_pythons_is_refused_and_not_a_number(value: Any) -> None:
    for one in (value, np.array([value])):
        with pytest.raises(InvalidOutput, match="no exact date or duration"):
            plain(one)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *((30, 30), (0.5, 0.5), ("30", 30), (" 7.5 ", 7.5), (np.float32(30), 30), (np.int64(30), 30), (np.array(3), 3)),
        *((dt.timedelta(minutes=1), 60), (decimal.Decimal("1.5"), 1.5), (fractions.Fraction(1, 4), 0.25)),
        *((-1, 0), (dt.timedelta(-1), 0), (-math.inf, 0), (math.inf, 86_400), (10**400, 86_400), (-(10**400), 0)),
        *(("inf", 86_400), (fractions.Fraction(10**400), 86_400), (dt.timedelta.max, 86_400)),
    ],
    ids=lambda value: f"{value!r:.40}",
)
def test_a_model_may_say_in_any_way_how_long_it_waits(value: Any, seconds: float) -> None:
    assert Retry(value).after_s == seconds


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *(("Wed, 21 Oct 2026 07:28:00 GMT", 90), ("Wed, 21 Oct 2026 10:28:00 +0300", 90)),
        *(("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("Wed, 21 Oct 2099 07:28:00 GMT", 86_400)),
    ],
)
def test_a_model_may_wait_until_a_date_of_an_upstream(
    value: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = dt.datetime(2026, 10, 21, 7, 26, 30, tzinfo=dt.UTC).timestamp()
    monkeypatch.setattr("ml_service.runtime.author.model.time", SimpleNamespace(time=lambda: now_s))
    assert Retry(value).after_s == seconds


@pytest.mark.parametrize(
    "value",
    [math.nan, "", "Wed, 99 Oct 2026 07:28:00 GMT", [1], 1j, b"x", decimal.Decimal("sNaN"), dt.date.max],
)
def test_what_is_no_time_to_wait_is_a_second_and_said(value: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert Retry(value).after_s == 1
    assert "Retry takes a number of seconds, not " in capsys.readouterr().err


def test_a_model_need_not_say_how_long_it_waits(capsys: pytest.CaptureFixture[str]) -> None:
    assert (Retry().after_s, Retry(None).after_s) == (1, 1)
    assert capsys.readouterr().err == ""
