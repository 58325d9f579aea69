"""A batch as a message: what was understood and what it costs, how it went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ml_service.domain.bulk import BulkStatus
from ml_service.usecases.batch_results import BatchState
from services.bot.phrases import Html, Phrases, cut, escaped
from services.bot.tables import RowError, Table
from services.bot.views.files import BatchReport
from services.bot.views.outputs import FIELDS_MAX
from services.bot.views.view import View, keyboard, lines, paragraphs

SHOWN_ROWS = 3
ROW_CHARS_MAX = 120
NAME_CHARS_MAX = 60
ERRORS_SHOWN = 8
REASON_CHARS_MAX = 240
"""Of what is wrong with one row: eight of them, and what was understood of a table, fit into a message."""
COLUMNS_OFFERED = 4


def question(
    t: Phrases, table: Table, *, model: str, name: str | None, cost: int, balance: int, number: str, note: Html | None
) -> View:
    """What was understood, the price, and a yes or no.

    Args:
        name: The file's name; None: a message.
        number: The question's own, in its buttons.
        note: More to say above it.
    """
    rows = [
        Html(f"{place}. <i>{escaped(cut(' '.join(text.split()), ROW_CHARS_MAX))}</i>")
        for place, text in enumerate(table.first(SHOWN_ROWS), 1)
    ]
    price, left = t("credits", count=cost), t("credits", count=balance)
    buttons = []
    if cost <= balance:
        buttons.append([(t.plain("button-batch-yes", cost=t.plain("credits", count=cost)), f"batch:yes:{number}")])
    buttons.append([(t.plain("button-batch-no"), f"batch:no:{number}")])
    others = [(place, column) for place, column in enumerate(table.columns) if column != table.text_column]
    if table.text_column is not None:
        buttons += [
            [(t.plain("button-batch-column", column=cut(column, NAME_CHARS_MAX)), f"batch:{place}:{number}")]
            for place, column in others[:COLUMNS_OFFERED]
        ]
    text = paragraphs(
        note,
        lines(
            t("batch-understood", name=cut(name, NAME_CHARS_MAX), rows=t("rows", count=len(table.inputs)))
            if name
            else t("batch-understood-text", rows=t("rows", count=len(table.inputs))),
            _columns(t, table),
            t("batch-blank", count=table.blank) if table.blank else None,
            t("batch-unreadable", count=table.unreadable) if table.unreadable else None,
        ),
        _wrong_rows(t, table.errors) if table.errors else None,
        lines(*rows, Html("…") if len(table.inputs) > len(rows) else None),
        lines(
            t("batch-errors-rest", rows=t("rows", count=len(table.inputs))) if table.errors else None,
            t("batch-price", model=model, cost=price, balance=left),
            None if cost <= balance else t("batch-too-expensive"),
        ),
    )
    return View(text, keyboard(*buttons))


def _columns(t: Phrases, table: Table) -> Html | None:
    if table.text_column is not None:
        return t("batch-column", column=cut(table.text_column, NAME_CHARS_MAX))
    if table.columns:
        return t("batch-columns", columns=cut(", ".join(table.columns), 3 * NAME_CHARS_MAX))
    return None


def errors(t: Phrases, found: Sequence[RowError]) -> View:
    """That no row can be used, and why."""
    return View(paragraphs(_wrong_rows(t, found), t("batch-errors-next")))


def _wrong_rows(t: Phrases, found: Sequence[RowError]) -> Html:
    """Which rows cannot be used, and why."""
    shown = [
        t("batch-row-error", row=one.row, reason=cut("; ".join(one.reasons), REASON_CHARS_MAX))
        for one in found[:ERRORS_SHOWN]
    ]
    more = len(found) - len(shown)
    return lines(t("batch-errors", count=len(found)), *shown, t("batch-more-errors", count=more) if more else None)


def opened(t: Phrases, state: BatchState, back: str) -> View:
    """A batch in the history, as it stands; ``back`` is the callback data that leads to its page."""
    buttons = [[(t.plain("button-back"), back)], [(t.plain("button-batch-file"), f"batchfile:{state.id.hex}")]]
    if state.open:
        buttons.append([(t.plain("button-cancel-batch"), f"cancelbatch:{state.id.hex}")])
        text = paragraphs(t("answer-processing"), t("history-batch", done=state.done, total=state.total))
    else:
        text = summary(t, state).text
    return View(text, keyboard(*buttons))


def summary(t: Phrases, state: BatchState, report: BatchReport | None = None, *, is_file_there: bool = False) -> View:
    """How a batch went.

    Args:
        report: The file that was to be sent; None: none was.
        is_file_there: Whether Telegram took it.
    """
    labels = report.labels if report and not report.is_full else {}  # of a part they would be taken for those of all
    return View(
        paragraphs(
            _headline(t, state),
            lines(
                *(
                    t("batch-labels", label=cut(label, NAME_CHARS_MAX), count=count)
                    for label, count in Counter(labels).most_common(FIELDS_MAX)
                )
            ),
            lines(
                t("batch-failed", count=state.failed) if state.failed and state.done else None,
                t("batch-canceled-rows", count=state.canceled) if state.canceled and state.done else None,
                t("batch-paid", cost=t("credits", count=state.paid)) if state.done else None,
                _file(t, report, is_there=is_file_there) if report else None,
                t("batch-file-cut") if report and report.is_cut and is_file_there else None,
            ),
        ),
        keyboard(_rest(t, state, report)) if report and report.is_full and is_file_there else None,
    )


def part(t: Phrases, state: BatchState, report: BatchReport) -> View:
    """What is said under a file that is not the last one of a batch."""
    return View(_file(t, report, is_there=True), keyboard(_rest(t, state, report)))


def _headline(t: Phrases, state: BatchState) -> Html:
    if state.stopped is None:
        return t("batch-done", done=state.done, total=state.total)
    so_far = "" if state.done else "-unanswered"
    if state.stopped is BulkStatus.CANCELED:
        return t(f"batch-canceled-early{so_far}", done=state.done, total=state.total)
    key = f"failure-{state.job.error_code if state.job else None}"
    reason = t(key if t.has(key) else "failure-version_gone")
    return t(f"batch-failed-early{so_far}", reason=reason, done=state.done, total=state.total)


def _file(t: Phrases, report: BatchReport, *, is_there: bool) -> Html:
    if not is_there:
        return t("batch-file-refused")
    return t("batch-file-part", last=report.last) if report.is_full else t("batch-file")


def _rest(t: Phrases, state: BatchState, report: BatchReport) -> list[tuple[str, str]]:
    return [(t.plain("button-batch-rest"), f"batchfile:{state.id.hex}:{report.last}")]
