"""Nothing that a person, a model or an account is called or says can make a message that Telegram refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ml_service.domain.errors import InsufficientCredits, InvalidInput, TooManyRequests
from ml_service.domain.fields import fields_of
from ml_service.domain.ids import new_id
from ml_service.domain.ledger import Balance, Kind
from ml_service.domain.models import ListedModel, ModelSpec, ModelState
from ml_service.domain.predictions import Prediction, PredictionError, Source, Status
from ml_service.messaging.queue import QueueDepth
from ml_service.storage.balance_changes import BalanceChange
from ml_service.storage.history_pages import Entry
from ml_service.storage.workers import Worker
from ml_service.usecases.batch_results import BatchState, row_of
from ml_service.usecases.telegram import HistoryPage
from ml_service.usecases.workers import Overview
from services.bot.phrases import LANGUAGES, Phrases, phrases
from services.bot.schema_errors import ERRORS_MAX
from services.bot.tables import RowError, Table
from services.bot.views import answers, batches, files, history, menus
from services.bot.views.view import View
from tests.unit.bot.test_phrases import messages
from tests.unit.bot.test_views import shown

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
FRAGMENTS = [
    "<b>", "</b>", "<", ">", "&", "&amp;", "&lt;b&gt;", "&#60;", "&#0;", "<!--", "<a href='tg://user?id=1'>", "</pre>",
    '"', "'", "\0", "\x1b[31m", "\u202e", "\u2066", "\u200f", "שלום", "مرحبا", "\u200b", "\ufeff", "\u0301" * 40,
    "😀", "👨‍👩‍👧‍👦", "\U0010ffff", "\ufffe", " ", "\n", "\r\n", "\t", "{ $name }", "{", "%s", "`*_[x](y)", "/start",
    "@all", "\\u0000", "\ue0000\ue001", "\\", "Ω",
]  # fmt: skip
PIECES = st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=8), max_size=12).map("".join)
HOSTILE = PIECES | st.builds(lambda text, times: (text * times)[:6000], PIECES, st.sampled_from([3, 100, 5000]))
"""Up to 6,000 characters of anything; a `str` of Telegram's or of the database has no lone surrogate."""
TEXT = HOSTILE.map(lambda text: text.encode(errors="replace").decode())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=15),
    max_leaves=12,
)
SHARE = st.floats(0, 1) | st.just(1) | st.floats(allow_nan=False, allow_infinity=False)
OUTPUT = st.dictionaries(TEXT, JSON, max_size=15) | st.fixed_dictionaries(
    {}, optional={"label": TEXT, "confidence": SHARE, "scores": st.dictionaries(TEXT, SHARE, max_size=15), "more": JSON}
)
ANY = settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.fixture(params=LANGUAGES, scope="module")
def t(request: pytest.FixtureRequest) -> Phrases:
    return phrases(request.param)


def predictions(text: str, output: Any) -> Iterator[Prediction]:
    """One in each state, all of it hostile."""
    error = PredictionError("model_error", text)
    for status in Status:
        for input_ in ({"text": text}, {"other": text, text: [text]}):
            yield Prediction(
                new_id(), new_id(), "m" * 63, text, status, orjson.dumps(input_).decode(),
                orjson.dumps(output).decode() if status is Status.SUCCEEDED else None,
                error if status is Status.FAILED else None, 10**12, Source.API, None, text, 1, 2.0, None, NOW, NOW,
                None if status in {Status.QUEUED, Status.PROCESSING} else NOW,
            )  # fmt: skip


@ANY
@given(TEXT, OUTPUT)
@example("<" * 5000, {"label": "&" * 5000, "confidence": 0.5, "scores": {"<" * 5000: 0.5}})
@example("😀" * 5000, {"😀" * 5000: "😀" * 5000})
@example(" \n", {"label": " "})
def test_any_prediction_can_be_shown(t: Phrases, text: str, output: dict[str, Any]) -> None:
    found = list(predictions(text, output))
    for one in found:
        shown(answers.answer(t, one, nonce="abcdef", back=history.place("failed", 10**6, "f", one.id)))
    for place in range(0, len(found), history.PAGE_SIZE):
        page = [Entry(one, 0, 0, 0) for one in found[place : place + history.PAGE_SIZE]]
        shown(history.history(t, HistoryPage(page, found[0].id, found[-1].id), wanted="failed", page=10**6))
    report = files.BatchReport(t)
    report.add([row_of(number, one) for number, one in enumerate(found, 1)])
    report.close()
    state = BatchState(found[0].id, found[0].id, len(found), 1, 10**15, 10**15, 0, 10**15)
    shown(batches.summary(t, state, report, is_file_there=False))


@ANY
@given(TEXT, st.integers(0, 10**15))
def test_any_account_model_and_error_can_be_shown(t: Phrases, text: str, number: int) -> None:
    name = text[:64]  # the longest of an account, a person or a model
    moved = [BalanceChange(kind, number, number, NOW) for kind in Kind]
    shown(menus.balance(t, name, Balance(number, number), moved))
    shown(menus.link(t, name, number, "0123456789abcdef"))
    schema = {"type": "object", "properties": {text: {"title": text, "description": text, "enum": [text, number, ""]}}}
    listed = [
        ListedModel(ModelSpec("m" * 63, text, text, 1, schema, {}), number, is_live=live, workers=1, announced_at=NOW)
        for live in (True, False) * 20
    ]
    shown(menus.models(t, listed, name))
    for required in ([], [text]):
        for field in fields_of(ModelSpec("m", "1", "", 1, {**schema, "required": required}, {})):
            shown(menus.form_field(t, "m" * 63, field, form="01234567", number=number % 10_000, total=number))
    failed = {f"{place} {text[:60]}": ModelState("failed", None, text) for place in range(10)}
    table = Table(({"text": text}, {text: number, name: text}) * 3, (text, name) * 9, text, number, number)
    wrong = [RowError(number, (text,) * ERRORS_MAX)] * 20
    for asked in (None, text):
        for with_errors in (table, replace(table, errors=tuple(wrong))):
            view = batches.question(
                t, with_errors, model="m" * 63, name=asked, cost=number, balance=10**9, number="0" * 8, note=None
            )
            shown(view)
    shown(batches.errors(t, wrong))
    workers = tuple(
        Worker(text, text, 1, ("default",), tuple(["m" * 63] * 20), failed, state, NOW, NOW, is_alive=True)
        for state in ("ready", "stopping") * 20
    )
    depth = QueueDepth(number, number, number, exists=True)
    shown(menus.admin(t, Overview(workers, number, number), depth, number, [(text[:100], number)] * 8))
    for error in (InvalidInput(text, errors=[{"location": text, "message": text}] * 9), InvalidInput(text)):
        shown(View(menus.error(t, error)))
    shown(View(menus.error(t, InsufficientCredits(text, balance=number, cost=number))))
    shown(View(menus.error(t, TooManyRequests(text, retry_after_s=number))))


@ANY
@given(TEXT)
def test_whatever_a_phrase_is_given_it_can_be_shown(t: Phrases, text: str) -> None:
    for key, names in messages(t.language).items():
        if not key.startswith(("button-", "command-", "filter-", "label-", "language-", "profile-", "csv-")):
            values: dict[str, Any] = {
                name: 0.5 if name == "share" else 7 if name == "count" else text[:300] for name in names
            }
            if key not in {"percent", "batch-labels"}:
                shown(View(t(key, **values)))
