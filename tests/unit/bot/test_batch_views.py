"""What the bot shows of batches and bulk jobs, and their files, in both languages."""

from __future__ import annotations

import csv
import io
from collections import Counter

import pytest

from ml_service.domain.bulk import BulkJob, BulkStatus
from ml_service.domain.ids import new_id
from ml_service.domain.predictions import Prediction, PredictionError, Source, Status
from ml_service.usecases.batch_results import BatchState, row_of
from services.bot.phrases import Phrases
from services.bot.tables import RowError, Table
from services.bot.views import batches, files
from services.bot.views.files import BatchReport
from tests.support.bot_views import EN, NOW, RU, SENTIMENT, erased, prediction, shown


def add(report: BatchReport, *found: Prediction) -> None:
    report.add([row_of(number, one) for number, one in enumerate(found, report.last + 1)])


def content_of(report: BatchReport) -> bytes:
    """The file, which is deleted."""
    report.file.seek(0)
    content = report.file.read()
    report.close()
    return content


def state_of(*found: Prediction) -> BatchState:
    count = Counter(one.status for one in found)
    failed, open_ = count[Status.FAILED] + count[Status.EXPIRED], count[Status.QUEUED] + count[Status.PROCESSING]
    done = count[Status.SUCCEEDED]
    return BatchState(new_id(), new_id(), len(found), done, failed, count[Status.CANCELED], open_, done)


def test_the_file_of_a_batch_leaves_cells_of_what_is_no_longer_kept_empty() -> None:
    report = BatchReport(EN)
    add(report, erased(), erased(Status.FAILED))
    rows = list(csv.DictReader(io.StringIO(content_of(report).decode("utf-8-sig"))))
    assert [(row["input"], row["status"], row["label"], row["output"]) for row in rows] == [
        ("", "succeeded", "", ""),
        ("", "failed", "", ""),
    ]


@pytest.mark.parametrize(("t", "delimiter"), [(EN, ","), (RU, ";")])
def test_a_batchs_file_can_be_read_by_a_spreadsheet(t: Phrases, delimiter: str) -> None:
    failed = prediction(Status.FAILED, error=PredictionError("model_error", "@no"), input='{"text":"=1+1"}')
    numbers = prediction(output={"label": "-5", "confidence": -0.5}, input='{"text":"-7"}')
    report = BatchReport(t)
    add(report, prediction(output=SENTIMENT), failed)
    add(report, numbers)
    raw = content_of(report)
    assert raw.startswith(b"\xef\xbb\xbf")
    content = raw.decode("utf-8-sig")
    table = list(csv.DictReader(io.StringIO(content), delimiter=delimiter))
    assert [row["status"] for row in table] == ["succeeded", "failed", "succeeded"]
    assert (table[0]["label"], table[1]["input"], table[1]["error"]) == ("positive", "'=1+1", "'@no")
    assert (table[2]["label"], table[2]["confidence"], table[2]["input"]) == ("'-5", "-0.5", "'-7")
    state = state_of(prediction(), failed, numbers)
    summary = shown(batches.summary(t, state, report, is_file_there=True))
    assert ("2 of 3 succeeded" if t is EN else "успешно 2 из 3") in summary
    assert "🙂" in summary


def test_a_file_ends_where_telegram_takes_no_more_and_the_next_one_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BYTES_MAX", 50_000)
    asked = [prediction(output={"label": "x" * 10_000}) for _ in range(9)]
    state, read = state_of(*asked), 0
    numbers = []
    while True:
        report = BatchReport(EN, read)
        add(report, *asked[read:])
        view = batches.summary(EN, state, report, is_file_there=True)
        content = content_of(report)
        assert len(content) <= 50_000
        numbers += [int(row["number"]) for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig")))]
        read = report.last
        if not report.is_full:
            break
        assert f"ends with row {read}:" in shown(view)
        assert "xxx" not in shown(view)  # labels of a part
        assert view.keyboard is not None
        assert view.keyboard.inline_keyboard[0][0].callback_data == f"batchfile:{state.id.hex}:{read}"
        assert f"ends with row {read}:" in shown(batches.part(EN, state, report))
    assert numbers == list(range(1, 10))


def test_a_row_that_no_file_can_hold_is_written_without_its_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BYTES_MAX", 5000)
    huge = prediction(output={"value": "x" * 10_000})
    report = BatchReport(EN)
    add(report, huge)
    (row,) = csv.DictReader(io.StringIO(content_of(report).decode("utf-8-sig")))
    assert (row["number"], row["status"], row["output"], report.is_full) == ("1", "succeeded", "", False)
    assert "too long" in shown(batches.summary(EN, state_of(huge), report, is_file_there=True))


@pytest.mark.parametrize(
    ("status", "done", "said"),
    [
        (BulkStatus.CANCELED, 0, {
            "en": "✖️ The batch was cancelled before the first answer. Nothing was charged.",
            "ru": "✖️ Пакет отменён до первого ответа. Ничего не списано.",
        }),
        (BulkStatus.FAILED, 0, {
            "en": "❌ The batch could not be processed: this version of the model is no longer available.\n"
            "Nothing was charged.",
            "ru": "❌ Пакет не обработан: этой версии модели больше нет.\nНичего не списано.",
        }),
        (BulkStatus.CANCELED, 3, {
            "en": "✖️ The batch was cancelled: 3 of 10 succeeded.\n\n"
            "Cancelled: 7; those credits have been refunded.\nPaid: 6 credits",
            "ru": "✖️ Пакет отменён: успешно 3 из 10.\n\nОтменено: 7; кредиты за них возвращены.\nСписано: 6 кредитов",
        }),
        (BulkStatus.FAILED, 3, {
            "en": "❌ The batch stopped early: this version of the model is no longer available.\n"
            "3 of 10 succeeded.\n\nFailed: 7; those credits have been refunded.\nPaid: 6 credits",
            "ru": "❌ Пакет обработан не до конца: этой версии модели больше нет.\nУспешно 3 из 10.\n\n"
            "С ошибкой: 7; кредиты за них возвращены.\nСписано: 6 кредитов",
        }),
    ],
)  # fmt: skip
def test_a_bulk_job_that_ended_early_says_why(status: BulkStatus, done: int, said: dict[str, str]) -> None:
    is_failed = status is BulkStatus.FAILED
    failed, canceled = (10 - done, 0) if is_failed else (0, 10 - done)
    job = BulkJob(
        new_id(), new_id(), Source.TELEGRAM, "echo", "1", 2, status, 10, 0, 0, done, failed, canceled,
        "version_gone" if is_failed else None, NOW, NOW, NOW, NOW,
    )  # fmt: skip
    state = BatchState(job.id, job.user_id, 10, done, failed, canceled, 0, job.charged, job)
    for t in (EN, RU):
        assert shown(batches.summary(t, state)) == said[t.language]


def test_a_batch_is_shown_before_it_costs() -> None:
    table = Table(
        tuple({"text": f"text {number}"} for number in range(5)), ("id", "отзыв"), "отзыв", blank=1, unreadable=2
    )
    view = batches.question(RU, table, model="sentiment", name="a.csv", cost=5, balance=9, number="0" * 8, note=None)
    text = shown(view)
    for words in (
        "a.csv: 5 строк",
        "Столбец с текстами: отзыв",
        "1. text 0",
        "3. text 2",
        "Цена: 5 кредитов",
        "баланс: 9",
    ):
        assert words in text
    assert "text 3" not in text
    assert view.keyboard is not None
    data = [button.callback_data for row in view.keyboard.inline_keyboard for button in row]
    assert data == ["batch:yes:00000000", "batch:no:00000000", "batch:0:00000000"]
    poor = batches.question(RU, table, model="m", name=None, cost=5, balance=4, number="0" * 8, note=None)
    assert "не хватает" in shown(poor)
    assert poor.keyboard is not None
    assert "batch:yes:00000000" not in [b.callback_data for row in poor.keyboard.inline_keyboard for b in row]


def test_wrong_rows_of_a_batch_are_named_and_the_others_offered() -> None:
    wrong = tuple(RowError(row, (f"reason {row}",)) for row in range(2, 12))
    table = Table(({"text": "good"},), errors=wrong)
    view = batches.question(EN, table, model="m", name="a.csv", cost=1, balance=9, number="0" * 8, note=None)
    text = shown(view)
    for words in ("a.csv: 1 row", "10 rows cannot be used", "Row 2: reason 2", "Row 9: reason 9", "… and 2 more"):
        assert words in text
    assert "reason 10" not in text
    assert "Without them, 1 row can be sent." in text
    assert view.keyboard is not None
    assert view.keyboard.inline_keyboard[0][0].callback_data == "batch:yes:00000000"
