"""Notices: what an account should know, though nobody in the chat has asked."""

from __future__ import annotations

import orjson

from services.bot.phrases import Phrases
from services.bot.views.view import View


def notice(t: Phrases, event: str, data: str | None) -> View:
    """The notice of an event; ``data`` is JSON text with a ``url`` and a ``reason``."""
    values = orjson.loads(data or "{}")
    return View(t(f"notice-{event.replace('.', '-')}-{values['reason']}", url=values["url"]))
