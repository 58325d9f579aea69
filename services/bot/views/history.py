"""The history: pages, filters, and a button for each prediction."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from ml_service.domain.predictions import Prediction, Status
from services.bot.phrases import Html, Phrases, cut, escaped
from services.bot.views.answers import input_text, label_of
from services.bot.views.view import View, keyboard, lines, paragraphs

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


def place(wanted: str, page: int) -> str:
    """Callback data that leads to a page."""
    return f"history:{wanted}:{page}"


def history(t: Phrases, predictions: Sequence[Prediction], *, wanted: str, page: int, more: bool) -> View:
    """One page; ``page`` counts from 0, ``wanted`` is a key of FILTERS."""
    rows = [[(f"{MARKS[one.status]} {_short(t, one)}", f"open:{one.id.hex}:{wanted}:{page}")] for one in predictions]
    filters = [(("• " if name == wanted else "") + t.plain(f"filter-{name}"), place(name, 0)) for name in FILTERS]
    turn = []
    if page > 0:
        turn.append((t.plain("button-newer"), place(wanted, page - 1)))
    if more:
        turn.append((t.plain("button-older"), place(wanted, page + 1)))
    listed = lines(*(_line(t, one) for one in predictions)) if predictions else t("history-none")
    return View(
        paragraphs(t("history-title", page=page + 1), listed),
        keyboard(*rows, turn, filters[:2], filters[2:]),
    )


def _line(t: Phrases, one: Prediction) -> Html:
    label = _label(t, one)
    end = f" → <b>{escaped(cut(label, 40))}</b>" if label else ""
    date = f"{one.created_at:%d.%m %H:%M}"
    return Html(f"{MARKS[one.status]} <i>{date}</i> {escaped(cut(_one_line(one), 60))}{end}")


def _short(t: Phrases, one: Prediction) -> str:
    label = _label(t, one)
    return f"{cut(_one_line(one), 19)}{' → ' + cut(label, 16) if label else ''}"


def _one_line(one: Prediction) -> str:
    return " ".join(input_text(one.input).split())


def _label(t: Phrases, one: Prediction) -> str | None:
    output = orjson.loads(one.output) if one.output else None
    label = output.get("label") if isinstance(output, dict) else None
    return label_of(t, label) if isinstance(label, str) else None
