"""A prediction as a message: accepted, answered, failed."""

from __future__ import annotations

import re
from uuid import UUID

import orjson

from ml_service.domain.predictions import ERASED, Prediction, Status
from services.bot.phrases import Html, Phrases, cut, escaped
from services.bot.views import outputs
from services.bot.views.view import View, keyboard, paragraphs

INPUT_CHARS_MAX = 300
VERSION_CHARS_MAX = 40
SHORTEST_S = 0.05
_BASE64 = re.compile("[A-Za-z0-9+/]{24,}={0,2}")
_BEGINNING_OF_FILE = re.compile(r'\{\s*"\w+"\s*:\s*"[A-Za-z0-9+/]{24,}')


def input_text(stored: str) -> str:
    """An input for a file: its text where it is one, else its JSON; nothing where it is no longer kept."""
    if stored == ERASED:
        return ""
    value = orjson.loads(stored)
    if isinstance(value, dict) and set(value) == {"text"} and isinstance(value["text"], str):
        return value["text"]
    return stored


def shown_input(t: Phrases, stored: str, size_bytes: int = 0) -> str:
    """An input for people: its one text, a file by its size, else its JSON; or that it is no longer kept.

    Args:
        size_bytes: Of the whole JSON, where ``stored`` is a string, its beginning (storage/history_pages.py).
    """
    if stored == ERASED:
        return t.plain("text-erased")
    value = orjson.loads(stored)
    if isinstance(value, str):
        is_file = _BEGINNING_OF_FILE.fullmatch(value)
        return t.plain("input-file", kilobytes=_kilobytes(size_bytes)) if is_file else value
    only = next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else None
    if not isinstance(only, str):
        return stored
    if "text" not in value and len(only) % 4 == 0 and _BASE64.fullmatch(only):
        return t.plain("input-file", kilobytes=_kilobytes(len(only)))
    return only


def _kilobytes(base64_chars: int) -> float:
    """The size of a file to a tenth of a kilobyte, and never none."""
    return max(0.1, round(base64_chars * 3 / 4000, 1))


def accepted(t: Phrases, prediction_id: UUID, *, cost: int, balance: int, seconds: int | None) -> View:
    """The immediate answer to a request; ``seconds`` is None while no worker runs."""
    price, left = t("credits", count=cost), t("credits", count=balance)
    buttons = keyboard([(t.plain("button-cancel"), f"cancel:{prediction_id.hex}")])
    if seconds is None:
        return View(t("accepted-idle", cost=price, balance=left), buttons)
    return View(t("accepted", wait=t.duration(seconds), cost=price, balance=left), buttons)


def accepted_batch(t: Phrases, batch_id: UUID, *, cost: int, balance: int, count: int) -> View:
    """The immediate answer to a batch."""
    text = t(
        "accepted-batch",
        predictions=t("predictions", count=count),
        cost=t("credits", count=cost),
        balance=t("credits", count=balance),
    )
    return View(text, keyboard([(t.plain("button-cancel-batch"), f"cancelbatch:{batch_id.hex}")]))


def answer(t: Phrases, prediction: Prediction, *, nonce: str = "0", back: str | None = None) -> View:
    """A prediction as it stands.

    Args:
        nonce: Goes into "again", so that a double tap on one button submits once.
        back: Callback data of a button that leads back to the history.
    """
    said = escaped(cut(shown_input(t, prediction.input), INPUT_CHARS_MAX))
    asked = Html(f"<i>{said}</i>" if prediction.is_erased else f"<blockquote>{said}</blockquote>")
    outcome, is_cut = _outcome(t, prediction)
    row = [(t.plain("button-back"), back)] if back else []
    if not prediction.is_terminal:
        row.append((t.plain("button-cancel"), f"cancel:{prediction.id.hex}"))
    elif not prediction.is_erased:
        row.append((t.plain("button-again"), f"again:{prediction.id.hex}:{nonce}"))
    file = [(t.plain("button-file"), f"file:{prediction.id.hex}")] if is_cut else []
    return View(paragraphs(asked, outcome), keyboard(row, file), is_cut=is_cut)


def below(t: Phrases) -> View:
    """What "accepted" becomes when its answer comes late, as a new message."""
    return View(t("answer-below"))


def _outcome(t: Phrases, prediction: Prediction) -> tuple[Html, bool]:
    cost = t("credits", count=prediction.cost)
    match prediction.status:
        case Status.SUCCEEDED if prediction.is_erased:
            return _foot(t, prediction), False
        case Status.SUCCEEDED:
            shown, is_cut = outputs.show(t, orjson.loads(prediction.output or "null"))
            return paragraphs(shown, t("output-cut") if is_cut else None, _foot(t, prediction)), is_cut
        case Status.FAILED:
            error = prediction.error
            assert error is not None  # noqa: S101  the schema says so
            key = f"failure-{error.code}"
            said = t("reason-erased") if prediction.is_erased else escaped(cut(error.message, INPUT_CHARS_MAX))
            reason = t(key) if t.has(key) else said
            return t("answer-failed", reason=reason, cost=cost), False
        case Status.CANCELED | Status.EXPIRED:
            return t(f"answer-{prediction.status}", cost=cost), False
        case Status.QUEUED | Status.PROCESSING:
            return t(f"answer-{prediction.status}"), False


def _foot(t: Phrases, prediction: Prediction) -> Html:
    ended = prediction.finished_at or prediction.created_at
    took_s = max((ended - prediction.created_at).total_seconds(), 0.0)
    shown_s = round(took_s, 1) if took_s < 10 else round(took_s)  # noqa: PLR2004  tenths matter below ten seconds
    return t(
        "answer-foot",
        model=prediction.model,
        version=cut(prediction.version or "", VERSION_CHARS_MAX),
        time=t("shortest-time") if took_s < SHORTEST_S else t("time", seconds=shown_s),
        cost=t("credits", count=prediction.cost),
    )
