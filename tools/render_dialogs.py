"""Draw the dialogs of docs/telegram*.md with the bot's own phrases: `python tools/render_dialogs.py`.

The pictures are made of the functions that make the real messages, so they cannot tell of another bot.
"""

from __future__ import annotations

import re
import sys
import textwrap
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from html import escape, unescape
from pathlib import Path
from uuid import UUID

import orjson

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from ml_service.domain.ledger import Balance, Kind  # noqa: E402  the project is not installed
from ml_service.domain.predictions import Prediction, Source, Status  # noqa: E402
from ml_service.storage.balance_changes import BalanceChange  # noqa: E402
from ml_service.storage.history_pages import Entry  # noqa: E402
from ml_service.usecases.batch_results import BatchState, row_of  # noqa: E402
from ml_service.usecases.telegram import HistoryPage  # noqa: E402
from services.bot.phrases import LANGUAGES, Phrases, phrases  # noqa: E402
from services.bot.tables import Table  # noqa: E402
from services.bot.views import answers, batches, files, history, menus  # noqa: E402
from services.bot.views.view import View  # noqa: E402

WIDTH, BUBBLE, LINE, PAD, COLUMNS = 620, 470, 21, 14, 52
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOBODY = UUID(int=0)
TEXTS = {"ru": "Отличный сервис, спасибо!", "en": "Excellent service, thank you!"}
MORE = {"ru": "Всё пришло вовремя", "en": "Arrived in time"}
OUTPUT = {
    "label": "positive", "confidence": 0.968, "scores": {"positive": 0.968, "neutral": 0.025, "negative": 0.007},
}  # fmt: skip


@dataclass
class Drawing:
    """An SVG that grows downwards."""

    parts: list[str]
    y: int = 20

    def bubble(self, text: str, *, mine: bool) -> None:
        """One message, the person's own on the right."""
        rows = [row for line in text.split("\n") for row in wrap(line)]
        height = len(rows) * LINE + 2 * PAD - 4
        width = BUBBLE * 3 // 5 if mine else BUBBLE
        x = WIDTH - width - 20 if mine else 20
        color = "#dcf8c6" if mine else "#ffffff"
        self.parts.append(f'<rect x="{x}" y="{self.y}" width="{width}" height="{height}" rx="12" fill="{color}"/>')
        for number, row in enumerate(rows):
            top = self.y + PAD + 12 + number * LINE
            self.parts.append(f'<text x="{x + PAD}" y="{top}" xml:space="preserve">{row}</text>')
        self.y += height + 8

    def buttons(self, view: View) -> None:
        """The rows of buttons under a message."""
        for row in view.keyboard.inline_keyboard if view.keyboard else []:
            width = (BUBBLE - 6 * (len(row) - 1)) // len(row)
            for place, button in enumerate(row):
                x = 20 + place * (width + 6)
                self.parts.append(
                    f'<rect x="{x}" y="{self.y - 3}" width="{width}" height="32" rx="8" fill="#c3d6e4"/>'
                    f'<text x="{x + width // 2}" y="{self.y + 18}" text-anchor="middle">{escape(button.text)}</text>'
                )
            self.y += 37
        self.y += 6

    def svg(self) -> str:
        """All of it."""
        style = "text{font:15px system-ui,'Segoe UI',Roboto,sans-serif;fill:#111}.b{font-weight:600}.i{fill:#667}"
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.y + 12}" width="{WIDTH}">'
            f'<style>{style}</style><rect width="100%" height="100%" rx="16" fill="#dfe8ee"/>'
            + "".join(self.parts)
            + "</svg>\n"
        )


def wrap(line: str) -> list[str]:
    """A line of Telegram's HTML as rows of SVG text; markup is kept where the line fits one row."""
    plain = unescape(re.sub(r"<[^>]*>", "", line))
    if len(plain) > COLUMNS:
        return [escape(row) for row in textwrap.wrap(plain, COLUMNS)]
    row = re.sub(r"</?(pre|code|blockquote)>", "", line)
    row = re.sub(r"<(b|i)>", r'<tspan class="\1">', row)
    return [re.sub(r"</(b|i)>", "</tspan>", row)]


def prediction(text: str, status: Status = Status.SUCCEEDED, ago_min: int = 0) -> Prediction:
    """One that took 0.3 s."""
    at = NOW - timedelta(minutes=ago_min)
    return Prediction(
        NOBODY, NOBODY, "sentiment", "1.0.0", status, orjson.dumps({"text": text}).decode(),
        orjson.dumps(OUTPUT).decode() if status is Status.SUCCEEDED else None, None, 1, Source.TELEGRAM, None,
        "worker-1", 1, 2.0, None, at, at, at + timedelta(seconds=0.3),
    )  # fmt: skip


def dialog(t: Phrases) -> list[str | View]:
    """What the person writes (text) and what the bot shows (views)."""
    text = TEXTS[t.language]
    asked = [prediction(text), prediction(MORE[t.language], ago_min=7)]
    moved = [BalanceChange(Kind.HOLD, -1, 1, NOW), BalanceChange(Kind.GRANT, 100, 1, NOW)]
    report = files.BatchReport(t)
    report.add([row_of(number, one) for number, one in enumerate(asked, 1)])
    whole = BatchState(NOBODY, NOBODY, len(asked), len(asked), 0, 0, 0, len(asked))
    table = Table(({"text": text}, {"text": MORE[t.language]}), ("id", "text"), "text")
    return [
        "/start",
        View(t("start", name="Anna", model="sentiment", price=t("credits", count=1), balance=t("credits", count=100))),
        text,
        answers.accepted(t, NOBODY, cost=1, balance=99, seconds=1),
        answers.answer(t, prediction(text)),
        "/balance",
        menus.balance(t, "telegram_1042", Balance(99, 0), moved),
        "/history",
        history.history(
            t,
            HistoryPage([Entry(one, 0, 0, 0) for one in asked], None, asked[-1].id),
            wanted="all",
            page=0,
        ),
        "📎 texts.csv",
        batches.question(t, table, model="sentiment", name="texts.csv", cost=2, balance=99, number="0" * 8, note=None),
        answers.accepted_batch(t, NOBODY, cost=2, balance=97, count=2),
        batches.summary(t, whole, report, is_file_there=True),
        "/link mH2dYw7uT0k9Qx3Z",
        menus.link(t, "anna", 40, "0" * 16),
    ]


def main() -> None:
    """Draw one picture for each language."""
    for language in LANGUAGES:
        drawing = Drawing([])
        for said in dialog(phrases(language)):
            drawing.bubble(said.text if isinstance(said, View) else escape(said), mine=not isinstance(said, View))
            if isinstance(said, View):
                drawing.buttons(said)
        target = ROOT / "docs" / f"telegram.{language}.svg"
        target.write_text(drawing.svg(), encoding="utf-8")
        sys.stdout.write(f"{target.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
