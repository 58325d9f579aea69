"""Phrases in the person's language, by Fluent. What is put into a phrase is escaped: no text can break a message."""

from __future__ import annotations

import math
import re
from datetime import datetime
from functools import cache
from html import escape
from pathlib import Path

from fluent.runtime import FluentBundle, FluentResource

LANGUAGES = {"en": "English", "ru": "Русский"}
DEFAULT_LANGUAGE = "en"
MINUTES_FROM_S = 91.0
HOURS_FROM_S = 90 * 60 + 1.0
LOCALES = Path(__file__).parent / "locales"

# Control characters, lone surrogates, and the marks that reverse the direction of everything after them.
_UNSHOWABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\u202a-\u202e\u2066-\u2069]")

_PLACE = re.compile("\ue000(\\d+)\ue001")


class Html(str):
    """Text that is markup already; everything else is escaped where it meets a phrase."""

    __slots__ = ()


def clean(text: str) -> str:
    """Take out what Telegram refuses or what would disturb the rest of a message."""
    return _UNSHOWABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def cut(text: str, chars_max: int) -> str:
    """At most ``chars_max`` UTF-16 units of ``text``, which is what Telegram counts, with a mark where it was cut."""
    text = clean(text)
    if len(text.encode("utf-16-le")) // 2 <= chars_max:
        return text
    kept = text.encode("utf-16-le")[: 2 * (chars_max - 1)].decode("utf-16-le", errors="ignore")
    return kept + "…"


def escaped(text: str) -> Html:
    """Text as HTML."""
    return Html(escape(clean(text), quote=False))


class Phrases:
    """All phrases of one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._bundle = FluentBundle([language], use_isolating=False)
        source = (LOCALES / language / "bot.ftl").read_text(encoding="utf-8")
        self._bundle.add_resource(FluentResource(source))

    def __call__(self, key: str, **values: str | float | datetime) -> Html:
        """The phrase as HTML; strings among ``values`` are escaped, except Html."""
        safe = {
            name: escape(clean(value), quote=False) if isinstance(value, str) and not isinstance(value, Html) else value
            for name, value in values.items()
        }
        return Html(self._format(key, safe))

    def plain(self, key: str, **values: str | float | datetime) -> str:
        """The phrase as text without markup: for buttons and pop-ups."""
        safe = {name: clean(value) if isinstance(value, str) else value for name, value in values.items()}
        return self._format(key, safe)

    def duration(self, seconds: float) -> Html:
        """A time to wait, in the unit that a person would say, rounded up."""
        if seconds < MINUTES_FROM_S:
            return self("seconds", count=max(1, math.ceil(seconds)))
        if seconds < HOURS_FROM_S:
            return self("minutes", count=math.ceil(seconds / 60))
        return self("hours", count=math.ceil(seconds / 3600))

    def has(self, key: str) -> bool:
        """Whether there is such a phrase."""
        return self._bundle.has_message(key)

    def _format(self, key: str, values: dict[str, str | float | datetime]) -> str:
        pattern = self._bundle.get_message(key).value
        if pattern is None:
            raise KeyError(key)
        # Fluent takes no text over a thousand characters, and a person's may have more: texts are put in afterwards.
        texts = [value for value in values.values() if isinstance(value, str)]
        places = iter(range(len(texts)))
        given = {
            name: f"\ue000{next(places)}\ue001" if isinstance(value, str) else value for name, value in values.items()
        }
        text, errors = self._bundle.format_pattern(pattern, given)
        if errors:
            raise errors[0]
        return _PLACE.sub(lambda found: texts[int(found[1])], str(text))


@cache
def phrases(language: str) -> Phrases:
    """The phrases of a language; of the default one where the language is not ours."""
    return Phrases(language if language in LANGUAGES else DEFAULT_LANGUAGE)


def language_of(code: str | None) -> str:
    """Our language for a Telegram language code such as ``ru`` or ``pt-br``."""
    short = (code or "").partition("-")[0].lower()
    return short if short in LANGUAGES else DEFAULT_LANGUAGE
