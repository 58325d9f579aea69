"""A message to be: its text and its buttons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiogram.types import InlineKeyboardButton, InlineKeyboardMarkup

from services.bot.phrases import Html, cut

BUTTON_CHARS_MAX = 40
Button = tuple[str, str]
"""What stands on it, and the callback data (at most 64 bytes) that a tap sends."""


@dataclass(frozen=True, slots=True)
class View:
    """HTML text and a keyboard, or none; ``is_cut`` says that something was too long and belongs into a file."""

    text: Html
    keyboard: InlineKeyboardMarkup | None = None
    is_cut: bool = False


def date_of(at: datetime) -> str:
    """A time as it is shown; Telegram does not say where a person is, so it is UTC, and says so."""
    return f"{at.astimezone(UTC):%d.%m %H:%M} UTC"


def keyboard(*rows: Sequence[Button]) -> InlineKeyboardMarkup | None:
    """Rows of buttons; empty rows are left out, and without any there is no keyboard."""
    made = [
        [
            InlineKeyboardButton(text=cut(label, BUTTON_CHARS_MAX).strip() or "·", callback_data=data)
            for label, data in row
        ]
        for row in rows
        if row
    ]
    return InlineKeyboardMarkup(inline_keyboard=made) if made else None


def lines(*parts: Html | None) -> Html:
    """Deps below each other; None and empty ones are left out."""
    return Html("\n".join(part for part in parts if part))


def paragraphs(*parts: Html | None) -> Html:
    """Deps with an empty line between them; None and empty ones are left out."""
    return Html("\n\n".join(part for part in parts if part))
