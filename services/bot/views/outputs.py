"""A model's output for people: a label with its scores as bars, spans of a text by their kinds, else its fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from services.bot.phrases import Html, Phrases, cut, escaped
from services.bot.views.view import lines

VALUE_CHARS_MAX = 600
OUTPUT_CHARS_MAX = 1500
LABEL_CHARS_MAX = 300
NAME_CHARS_MAX = 40
FIELDS_MAX = 12
NUMBERS_MAX, NUMBERS_SHOWN = 16, 4
"""A vector of more numbers is shown by its first ones."""
BAR_CELLS = 10
LABEL_FIELDS = ("label", "language")
"""What an output's main word may be called; `confidence` beside it says how sure the model is."""


def bar(t: Phrases, share: float) -> str:
    """A share from 0 to 1 as ten cells and a percentage."""
    share = min(max(share, 0.0), 1.0)
    full = round(share * BAR_CELLS)
    return f"{'█' * full}{'░' * (BAR_CELLS - full)} {t.plain('percent', share=share * 100)}"


def label_of(t: Phrases, label: str, kind: str = "label") -> str:
    """A label in the person's language where we have a word for it."""
    key = f"{kind}-{label}"
    return t.plain(key) if label.isascii() and label.isidentifier() and t.has(key) else label


def main_label(t: Phrases, output: Any) -> str | None:
    """The one word that an output says, in the person's language; None where it says none."""
    if not isinstance(output, dict):
        return None
    for kind in LABEL_FIELDS:
        if isinstance(word := output.get(kind), str):
            return label_of(t, word, kind)
    return None


def show(t: Phrases, output: Any) -> tuple[Html, bool]:
    """An output as HTML, and whether something of it was left out."""
    if not isinstance(output, dict):
        return _raw(output)
    if output and all(value == [] for value in output.values()):
        return t("output-nothing"), False
    rest = dict(output)
    head = _head(t, rest)
    shown = [*_spans(t, rest), *(_field(t, name, value) for name, value in list(rest.items())[:FIELDS_MAX])]
    is_cut = len(rest) > FIELDS_MAX or any(cut_short for _, cut_short in shown)
    text = lines(*head, *(field for field, _ in shown), Html("…") if len(rest) > FIELDS_MAX else None)
    if not text or len(text) > 2 * OUTPUT_CHARS_MAX:
        return _raw(output)
    return text, is_cut


def _head(t: Phrases, rest: dict[str, Any]) -> list[Html]:
    """The label and the bars; what they show is taken out of ``rest``."""
    head: list[Html] = []
    kind = next((name for name in LABEL_FIELDS if isinstance(rest.get(name), str)), None)
    label = None
    if kind is not None:
        label = rest.pop(kind)
        head.append(Html(f"<b>{escaped(cut(label_of(t, label, kind), LABEL_CHARS_MAX))}</b>"))
        if is_share(rest.get("confidence")):
            head.append(Html(bar(t, float(rest.pop("confidence")))))
    scores = rest.get("scores")
    if isinstance(scores, dict) and scores and all(map(is_share, scores.values())):
        # Where the label's bar stands above, its own score has just been shown.
        others = [(name, share) for name, share in scores.items() if name != label or len(head) < 2]  # noqa: PLR2004
        del rest["scores"]
        head += _bars(t, others or list(scores.items()), "label")
    alternatives = rest.get("alternatives")
    if kind is not None and isinstance(alternatives, list):
        pairs = [(one.get(kind), one.get("confidence")) for one in alternatives if isinstance(one, dict)]
        if len(pairs) == len(alternatives) and all(isinstance(n, str) and is_share(s) for n, s in pairs):
            del rest["alternatives"]
            head += _bars(t, pairs, kind)
    return head


def _spans(t: Phrases, rest: dict[str, Any]) -> list[tuple[Html, bool]]:
    """A line for each kind of what is found in a text, each word once; taken out of ``rest``."""
    found = next((name for name, value in rest.items() if _are_spans(value)), None)
    if found is None:
        return []
    texts: dict[str, dict[str, None]] = {}
    for span in rest.pop(found):
        texts.setdefault(span["type"], {})[" ".join(span["text"].split())] = None
    kinds = list(texts.items())
    shown = [_field(t, label_of(t, kind, "spans"), ", ".join(words)) for kind, words in kinds[:FIELDS_MAX]]
    return [(line, is_cut or len(kinds) > FIELDS_MAX) for line, is_cut in shown]


def _are_spans(value: Any) -> bool:
    parts = (("type", str), ("text", str), ("start", int), ("end", int))
    return (
        isinstance(value, list)
        and value != []
        and all(isinstance(one, dict) and all(isinstance(one.get(part), kind) for part, kind in parts) for one in value)
    )


def _bars(t: Phrases, scores: Sequence[tuple[Any, Any]], kind: str) -> list[Html]:
    best = sorted(scores, key=lambda item: -item[1])[:FIELDS_MAX]
    rows = [f"{bar(t, share)}  {label_of(t, cut(str(name), NAME_CHARS_MAX), kind)}" for name, share in best]
    return [Html(f"<pre>{escaped(chr(10).join(rows))}</pre>")] if rows else []


def _field(t: Phrases, name: str, value: Any) -> tuple[Html, bool]:
    shown = value if isinstance(value, str) else orjson.dumps(value).decode()
    if isinstance(value, list) and len(value) > NUMBERS_MAX and all(isinstance(one, int | float) for one in value):
        first = ", ".join(orjson.dumps(one).decode() for one in value[:NUMBERS_SHOWN])
        short = t.plain("output-numbers", first=first, count=len(value))
    else:
        short = cut(shown, VALUE_CHARS_MAX)
    return Html(f"<b>{escaped(cut(name, 60))}</b>: {escaped(short)}"), len(short) < len(shown)


def _raw(output: Any) -> tuple[Html, bool]:
    text = orjson.dumps(output, option=orjson.OPT_INDENT_2).decode()
    short = cut(text, OUTPUT_CHARS_MAX)
    return Html(f"<pre>{escaped(short)}</pre>"), len(short) < len(text)


def is_share(value: Any) -> bool:
    """Whether a value is a number from 0 to 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
