"""The history: pages, filters, and a button for each prediction."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID

import orjson

from ml_service.domain.predictions import Prediction, Status
from ml_service.storage.history_pages import Entry
from ml_service.usecases.telegram import HistoryPage
from services.bot.phrases import Html, Phrases, cut, escaped
from services.bot.views import outputs
from services.bot.views.answers import shown_input
from services.bot.views.view import View, date_of, keyboard, lines, paragraphs

PAGE_SIZE = 5
FILTERS: dict[str, tuple[Status, ...] | None] = {
    "all": None,
    "done": (Status.SUCCEEDED,),
    "open": (Status.QUEUED, Status.PROCESSING),
    "failed": (Status.FAILED, Status.CANCELED, Status.EXPIRED),
}
MARKS = {
    Status.QUEUED: "⏳",
    Status.PROCESSING: "⚙️",
    Status.SUCCEEDED: "✅",
    Status.FAILED: "❌",
    Status.CANCELED: "✖️",
    Status.EXPIRED: "⌛",
}


BATCH_MARK = "📦"


PAGE_MAX = 99_999
"""A page's number is for people; what leads to it is the id beside it."""


def short(id_: UUID) -> str:
    """An id in 22 characters: two of them have to fit into the 64 bytes of a button."""
    return urlsafe_b64encode(id_.bytes).decode().rstrip("=")


def long(text: str) -> UUID:
    """The id of `short`."""
    return UUID(bytes=urlsafe_b64decode(text + "=="))


def place(wanted: str, page: int, way: str = "", id_: UUID | None = None) -> str:
    """Callback data that leads to a page: the newest one, or the one by an id.

    Args:
        way: ``o``: the page before the id; ``n``: the one after it; ``f``: the one that begins with it.
    """
    return f"history:{wanted}:{min(max(page, 0), PAGE_MAX)}:" + (way + short(id_) if id_ is not None else "")


def history(t: Phrases, found: HistoryPage, *, wanted: str, page: int) -> View:
    """One page; ``page`` counts from 0, ``wanted`` is a key of FILTERS."""
    entries = found.entries
    rows = [[(_short(t, one), _open(one, wanted, page, entries[0].prediction.id))] for one in entries]
    filters = [(("• " if name == wanted else "") + t.plain(f"filter-{name}"), place(name, 0)) for name in FILTERS]
    turn = []
    if found.newer_after is not None:
        turn.append((t.plain("button-newer"), place(wanted, page - 1, "n", found.newer_after)))
    if found.older_before is not None:
        turn.append((t.plain("button-older"), place(wanted, page + 1, "o", found.older_before)))
    if entries:
        listed = lines(*(_line(t, one) for one in entries))
    else:
        listed = t("history-none-here" if turn else "history-none")
    return View(
        paragraphs(t("history-title", page=page + 1), listed),
        keyboard(*rows, turn, filters[:2], filters[2:]),
    )


def _open(entry: Entry, wanted: str, page: int, first: UUID) -> str:
    """Callback data that opens an entry, with the way back to its page, which begins with ``first``."""
    one = entry.prediction
    what, id_ = ("open", one.id) if one.batch_id is None else ("openb", one.batch_id)
    return f"{what}:{short(id_)}:{wanted}:{min(page, PAGE_MAX)}:{short(first)}"


def _line(t: Phrases, entry: Entry) -> Html:
    one = entry.prediction
    date = date_of(one.created_at)
    if one.batch_id is not None:
        return Html(f"{_mark(entry)} <i>{date}</i> {_batch(t, entry)}")
    label = _label(t, one)
    end = f" → <b>{escaped(cut(label, 40))}</b>" if label else ""
    return Html(f"{_mark(entry)} <i>{date}</i> {escaped(cut(_one_line(t, entry), 60))}{end}")


def _short(t: Phrases, entry: Entry) -> str:
    one = entry.prediction
    if one.batch_id is not None:
        return f"{_mark(entry)} {t.plain('history-batch', done=entry.done, total=entry.total)}"
    label = _label(t, one)
    return f"{_mark(entry)} {cut(_one_line(t, entry), 19)}{' → ' + cut(label, 16) if label else ''}"


def _mark(entry: Entry) -> str:
    if entry.prediction.batch_id is None:
        return MARKS[entry.prediction.status]
    return MARKS[Status.QUEUED] if entry.open else BATCH_MARK


def _batch(t: Phrases, entry: Entry) -> Html:
    return t("history-batch", done=entry.done, total=entry.total)


def _one_line(t: Phrases, entry: Entry) -> str:
    return " ".join(shown_input(t, entry.prediction.input, entry.input_bytes).split())


def _label(t: Phrases, one: Prediction) -> str | None:
    return outputs.main_label(t, orjson.loads(one.output)) if one.output else None
