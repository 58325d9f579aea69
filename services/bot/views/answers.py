"""A prediction as a message: accepted, answered, failed; and the summary and the file of a batch."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson

from ml_service.domain.predictions import Prediction, Status
from services.bot.phrases import Html, Phrases, cut, escaped
from services.bot.views.view import View, keyboard, lines, paragraphs

INPUT_CHARS_MAX = 300
VALUE_CHARS_MAX = 600
OUTPUT_CHARS_MAX = 1500
VERSION_CHARS_MAX = 40
FIELDS_MAX = 12
BAR_CELLS = 10
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for a formula at the beginning of a cell (OWASP: CSV injection)."""


def bar(t: Phrases, share: float) -> str:
    """A share from 0 to 1 as ten cells and a percentage."""
    share = min(max(share, 0.0), 1.0)
    full = round(share * BAR_CELLS)
    return f"{'█' * full}{'░' * (BAR_CELLS - full)} {t.plain('percent', share=share * 100)}"


def label_of(t: Phrases, label: str) -> str:
    """A label in the person's language where we have a word for it."""
    key = f"label-{label}"
    return t.plain(key) if label.isascii() and label.isidentifier() and t.has(key) else label


def input_text(stored: str) -> str:
    """An input for people: its text where it is one, else its JSON."""
    value = orjson.loads(stored)
    if isinstance(value, dict) and set(value) == {"text"} and isinstance(value["text"], str):
        return value["text"]
    return stored


def accepted(
    t: Phrases, prediction_id: UUID, *, cost: int, balance: int, seconds: int | None, count: int | None = None
) -> View:
    """The immediate answer to a request; ``seconds`` is None while no worker runs, ``count`` is a batch's size."""
    price, left = t("credits", count=cost), t("credits", count=balance)
    if count is not None:
        return View(t("accepted-batch", predictions=t("predictions", count=count), cost=price, balance=left))
    buttons = keyboard([(t.plain("button-cancel"), f"cancel:{prediction_id.hex}")])
    if seconds is None:
        return View(t("accepted-idle", cost=price, balance=left), buttons)
    return View(t("accepted", seconds=t("seconds", count=seconds), cost=price, balance=left), buttons)


def answer(t: Phrases, prediction: Prediction, *, nonce: str = "0", back: str | None = None) -> View:
    """A prediction as it stands.

    Args:
        nonce: Goes into "again", so that a double tap on one button asks once.
        back: Callback data of a button that leads back to the history.
    """
    asked = Html(f"<blockquote>{escaped(cut(input_text(prediction.input), INPUT_CHARS_MAX))}</blockquote>")
    text = paragraphs(asked, _outcome(t, prediction))
    row = [(t.plain("button-back"), back)] if back else []
    if prediction.is_terminal:
        row.append((t.plain("button-again"), f"again:{prediction.id.hex}:{nonce}"))
    else:
        row.append((t.plain("button-cancel"), f"cancel:{prediction.id.hex}"))
    return View(text, keyboard(row))


def below(t: Phrases) -> View:
    """What "accepted" becomes when its answer comes late, as a new message."""
    return View(t("answer-below"))


def _outcome(t: Phrases, prediction: Prediction) -> Html:
    cost = t("credits", count=prediction.cost)
    match prediction.status:
        case Status.SUCCEEDED:
            output = orjson.loads(prediction.output or "null")
            return paragraphs(_output(t, output), _foot(t, prediction))
        case Status.FAILED:
            error = prediction.error
            assert error is not None  # noqa: S101  the schema says so
            key = f"failure-{error.code}"
            reason = t(key) if t.has(key) else escaped(cut(error.message, INPUT_CHARS_MAX))
            return t("answer-failed", reason=reason, cost=cost)
        case Status.CANCELED | Status.EXPIRED:
            return t(f"answer-{prediction.status}", cost=cost)
        case Status.QUEUED | Status.PROCESSING:
            return t(f"answer-{prediction.status}")


def _foot(t: Phrases, prediction: Prediction) -> Html:
    ended = prediction.finished_at or prediction.created_at
    took_s = max((ended - prediction.created_at).total_seconds(), 0.0)
    return t(
        "answer-foot",
        model=prediction.model,
        version=cut(prediction.version or "", VERSION_CHARS_MAX),
        time=round(took_s, 1) if took_s < 10 else round(took_s),  # noqa: PLR2004  tenths matter below ten seconds
        cost=t("credits", count=prediction.cost),
    )


def _output(t: Phrases, output: Any) -> Html:
    """A label with its scores as bars; any other object as its fields."""
    if not isinstance(output, dict):
        return _raw(output)
    rest = dict(output)
    head: list[Html] = []
    label = rest.get("label")
    if isinstance(label, str):
        del rest["label"]
        head.append(Html(f"<b>{escaped(cut(label_of(t, label), INPUT_CHARS_MAX))}</b>"))
        confidence = rest.get("confidence")
        if _is_share(confidence):
            del rest["confidence"]
            if isinstance(scores := rest.get("scores"), dict):  # the label's own score has just been shown
                rest["scores"] = {name: share for name, share in scores.items() if name != label} or scores
            head.append(Html(bar(t, float(confidence))))  # type: ignore[arg-type]  # _is_share says that it is a number
    scores = rest.get("scores")
    if isinstance(scores, dict) and scores and all(_is_share(share) for share in scores.values()):
        del rest["scores"]
        best = sorted(scores.items(), key=lambda item: -item[1])[:FIELDS_MAX]
        rows = [f"{bar(t, share)}  {label_of(t, cut(str(name), 40))}" for name, share in best]
        head.append(Html(f"<pre>{escaped(chr(10).join(rows))}</pre>"))
    fields = [_field(name, value) for name, value in list(rest.items())[:FIELDS_MAX]]
    if len(rest) > FIELDS_MAX:
        fields.append(Html("…"))
    text = lines(*head, *fields)
    return text if text and len(text) <= 2 * OUTPUT_CHARS_MAX else _raw(output)


def _field(name: str, value: Any) -> Html:
    shown = value if isinstance(value, str) else orjson.dumps(value).decode()
    return Html(f"<b>{escaped(cut(name, 60))}</b>: {escaped(cut(shown, VALUE_CHARS_MAX))}")


def _raw(output: Any) -> Html:
    text = orjson.dumps(output, option=orjson.OPT_INDENT_2).decode()
    return Html(f"<pre>{escaped(cut(text, OUTPUT_CHARS_MAX))}</pre>")


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def batch_summary(t: Phrases, predictions: Sequence[Prediction]) -> View:
    """How a batch went."""
    done = [one for one in predictions if one.status is Status.SUCCEEDED]
    labels: Counter[str] = Counter()
    for one in done:
        output = orjson.loads(one.output or "null")
        if isinstance(output, dict) and isinstance(output.get("label"), str):
            labels[output["label"]] += 1
    failed = len(predictions) - len(done)
    text = paragraphs(
        t("batch-done", done=len(done), total=len(predictions)),
        lines(
            *(
                t("batch-labels", label=cut(label_of(t, label), 60), count=count)
                for label, count in labels.most_common(FIELDS_MAX)
            )
        ),
        lines(
            t("batch-failed", count=failed) if failed else None,
            t("batch-paid", cost=t("credits", count=sum(one.cost for one in done))),
            t("batch-file"),
        ),
    )
    return View(text)


def batch_file(predictions: Sequence[Prediction]) -> bytes:
    """All answers as CSV, with a byte order mark so that a spreadsheet reads it as UTF-8."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(["number", "input", "status", "label", "confidence", "output", "error", "id"])
    for number, one in enumerate(predictions, 1):
        output = orjson.loads(one.output) if one.output else {}
        known = output if isinstance(output, dict) else {}
        row = [
            input_text(one.input),
            one.status.value,
            known.get("label", ""),
            known.get("confidence", ""),
            one.output or "",
            one.error.message if one.error else "",
            str(one.id),
        ]
        writer.writerow([number, *map(_cell, row)])
    return out.getvalue().encode("utf-8-sig", errors="replace")


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(FORMULA_SIGNS):
        return "'" + value
    return value
