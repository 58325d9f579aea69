"""What the real Bot API refuses and the emulator lets pass. Each check returns Telegram's words, or None."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

TAGS = frozenset(
    (
        "a",
        "b",
        "strong",
        "i",
        "em",
        "u",
        "ins",
        "s",
        "strike",
        "del",
        "span",
        "tg-spoiler",
        "tg-emoji",
        "code",
        "pre",
        "blockquote",
    )
)
TEXT_UNITS_MAX = 4096
BUTTONS_MAX = 100
BUTTON_DATA_BYTES_MAX = 64
COMMANDS_MAX = 100
NOT_MODIFIED = (
    "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a"
    " current content and reply markup of the message"
)


class _Markup(HTMLParser):
    """Follows tags as Telegram does: known ones only, each closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.shown = ""
        self.tags = 0
        self.wrong: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002  the parser's own
        if tag not in TAGS:
            self.wrong = self.wrong or f'Unsupported start tag "{tag}"'
        self.open.append(tag)
        self.tags += 1

    def handle_endtag(self, tag: str) -> None:
        self.tags += 1
        if not self.open or self.open.pop() != tag:
            self.wrong = self.wrong or f'Unexpected end tag "{tag}"'

    def handle_data(self, data: str) -> None:
        self.shown += data


def read_html(text: str) -> tuple[str, str | None]:
    """What a person sees of a text with parse_mode HTML, and what is wrong with it."""
    markup = _Markup()
    markup.feed(text)
    markup.close()
    if markup.tags != text.count("<"):  # this parser takes "a < b" for text, Telegram's begins a tag there
        markup.wrong = markup.wrong or 'Unsupported start tag ""'
    if markup.wrong is None and markup.open:
        markup.wrong = f'Can\'t find end tag corresponding to start tag "{markup.open[-1]}"'
    return markup.shown, markup.wrong


def wrong_buttons(rows: list[list[dict[str, str]]]) -> str | None:
    """Telegram's words for an inline keyboard that it refuses."""
    buttons = [button for row in rows for button in row]
    if any(not button["text"].strip() for button in buttons):
        return "Bad Request: can't parse inline keyboard button: Text must be non-empty"
    if any(not 1 <= len(button["callback_data"].encode()) <= BUTTON_DATA_BYTES_MAX for button in buttons):
        return "Bad Request: BUTTON_DATA_INVALID"
    if len(buttons) > BUTTONS_MAX:
        return "Bad Request: reply markup is too long"
    return None


class Screen:
    """What each chat shows now: (text, keyboard) by message id."""

    def __init__(self) -> None:
        self.messages: dict[tuple[str, int], tuple[str, str]] = {}
        self.taps: set[str] = set()

    def refusal(self, method: str, fields: dict[str, Any]) -> str | None:  # noqa: C901, PLR0911  one way out for each rule
        text = str(fields.get("text") or fields.get("caption") or "")
        if method.startswith(("send", "editMessageText")) and text:
            shown, wrong = read_html(text) if fields.get("parse_mode") == "HTML" else (text, None)
            if wrong:
                return f"Bad Request: can't parse entities: {wrong}"
            if not shown.strip():
                return "Bad Request: message text is empty"
            if len(shown.encode("utf-16-le")) // 2 > TEXT_UNITS_MAX:
                return "Bad Request: message is too long"
        if wrong := wrong_buttons(json.loads(fields.get("reply_markup") or "{}").get("inline_keyboard", [])):
            return wrong
        if method in {"editMessageText", "editMessageReplyMarkup"}:
            now = self.messages.get(self._place(fields))
            if now is None:
                return "Bad Request: message to edit not found"
            if now == self._after(method, fields, now):
                return NOT_MODIFIED
        if method == "answerCallbackQuery" and fields.get("callback_query_id") not in self.taps:
            return "Bad Request: query is too old and response timeout expired or query ID is invalid"
        if method == "setMyCommands" and len(json.loads(fields["commands"])) > COMMANDS_MAX:
            return "Bad Request: BOT_COMMANDS_TOO_MUCH"
        return None

    def note(self, method: str, fields: dict[str, Any], result: Any) -> None:
        if method in {"editMessageText", "editMessageReplyMarkup"}:
            place = self._place(fields)
            self.messages[place] = self._after(method, fields, self.messages[place])
        elif method.startswith("send") and isinstance(result, dict) and "message_id" in result:
            place = str(fields["chat_id"]), int(result["message_id"])
            self.messages[place] = self._after("sendMessage", fields, ("", ""))

    @staticmethod
    def _place(fields: dict[str, Any]) -> tuple[str, int]:
        return str(fields.get("chat_id")), int(fields.get("message_id", 0))

    @staticmethod
    def _after(method: str, fields: dict[str, Any], before: tuple[str, str]) -> tuple[str, str]:
        keyboard = fields.get("reply_markup")
        shown = json.dumps(json.loads(keyboard), sort_keys=True) if keyboard else ""
        return (before[0] if method == "editMessageReplyMarkup" else str(fields.get("text", ""))), shown
