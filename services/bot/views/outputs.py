"""A model's output for people: a label with its scores as bars, spans of a text by their kinds, else its fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from services.bot.phrases import Html, Phrases, clean, cut, escaped
from services.bot.views.view import lines

VALUE_CHARS_MAX = 600
OUTPUT_CHARS_MAX = 1500
LABEL_CHARS_MAX = 300
NAME_CHARS_MAX = 40
TITLE_CHARS_MAX = 60
FIELDS_MAX = 12
NUMBERS_MAX, NUMBERS_SHOWN = 16, 4
"""A vector of more numbers is shown by its first ones."""
BAR_CELLS = 10
LABEL_FIELDS = ("label", "language")
"""What an output's main word may be called; `confidence` beside it says how sure the model is."""

SPAN = (("type", str), ("text", str), ("start", int), ("end", int))
"""What a model says of a part of a text that it has found."""
Line = tuple[Html, bool]
"""Something of an output as HTML, and whether a part of it was left out."""


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
    shown = [*_head(t, rest), *_spans(t, rest)]
    shown += [_field(t, name, value) for name, value in list(rest.items())[:FIELDS_MAX]]
    if len(rest) > FIELDS_MAX:
        shown.append((Html("…"), True))
    text = lines(*(line for line, _ in shown))
    if not text or len(text) > 2 * OUTPUT_CHARS_MAX:
        return _raw(output)
    return text, any(is_cut for _, is_cut in shown)


def _short(text: str, chars_max: int) -> tuple[str, bool]:
    """A text as it is shown, and whether something of it was left out."""
    short = cut(text, chars_max)
    return short, short != clean(text)


def _head(t: Phrases, rest: dict[str, Any]) -> list[Line]:
    """The label and the bars; what they show is taken out of ``rest``."""
    head: list[Line] = []
    kind = next((name for name in LABEL_FIELDS if isinstance(rest.get(name), str)), None)
    said = None
    if kind is not None:
        label = rest.pop(kind)
        short, is_cut = _short(label_of(t, label, kind), LABEL_CHARS_MAX)
        head.append((Html(f"<b>{escaped(short)}</b>"), is_cut))
        if is_share(rest.get("confidence")):
            said = (label, rest.pop("confidence"))
            head.append((Html(bar(t, float(said[1]))), False))
    scores = rest.get("scores")
    if isinstance(scores, dict) and scores and all(map(is_share, scores.values())):
        # Where the label's bar stands above, its own score has just been shown.
        others = [one for one in scores.items() if one != said]
        del rest["scores"]
        head.append(_bars(t, others or list(scores.items()), "label"))
    alternatives = rest.get("alternatives")
    if kind is not None and isinstance(alternatives, list):
        named = [one for one in alternatives if isinstance(one, dict) and one.keys() == {kind, "confidence"}]
        pairs = [(one[kind], one["confidence"]) for one in named]
        if len(pairs) == len(alternatives) and all(isinstance(n, str) and is_share(s) for n, s in pairs):
            del rest["alternatives"]
            head += [_bars(t, pairs, kind)] if pairs else []
    return head


def _spans(t: Phrases, rest: dict[str, Any]) -> list[Line]:
    """A line for each kind of what is found in a text, each word once; taken out of ``rest``.

    Where in the text they stand is not shown, and is nothing that a person would miss.
    """
    found = next((name for name, value in rest.items() if _are_spans(value)), None)
    if found is None:
        return []
    texts: dict[str, dict[str, None]] = {}
    spans = rest.pop(found)
    for span in spans:
        texts.setdefault(span["type"], {})[" ".join(span["text"].split())] = None
    kinds = list(texts.items())
    is_more = len(kinds) > FIELDS_MAX or any(len(span) > len(SPAN) for span in spans)
    shown = [_field(t, label_of(t, kind, "spans"), ", ".join(words)) for kind, words in kinds[:FIELDS_MAX]]
    return [(line, is_cut or is_more) for line, is_cut in shown]


def _are_spans(value: Any) -> bool:
    return (
        isinstance(value, list)
        and value != []
        and all(isinstance(one, dict) and all(isinstance(one.get(part), kind) for part, kind in SPAN) for one in value)
    )


def _bars(t: Phrases, scores: Sequence[tuple[str, float]], kind: str) -> Line:
    best = sorted(scores, key=lambda item: -item[1])[:FIELDS_MAX]
    names = [_short(name, NAME_CHARS_MAX) for name, _ in best]
    rows = [f"{bar(t, share)}  {label_of(t, name, kind)}" for (name, _), (_, share) in zip(names, best, strict=True)]
    is_cut = len(scores) > FIELDS_MAX or any(is_cut for _, is_cut in names)
    return Html(f"<pre>{escaped(chr(10).join(rows))}</pre>"), is_cut


def _field(t: Phrases, name: str, value: Any) -> Line:
    title, is_title_cut = _short(name, TITLE_CHARS_MAX)
    if isinstance(value, list) and len(value) > NUMBERS_MAX and all(isinstance(one, int | float) for one in value):
        first = ", ".join(orjson.dumps(one).decode() for one in value[:NUMBERS_SHOWN])
        short, is_cut = t.plain("output-numbers", first=first, count=len(value)), True
    else:
        short, is_cut = _short(value if isinstance(value, str) else orjson.dumps(value).decode(), VALUE_CHARS_MAX)
    return Html(f"<b>{escaped(title)}</b>: {escaped(short)}"), is_cut or is_title_cut


def _raw(output: Any) -> Line:
    short, is_cut = _short(orjson.dumps(output, option=orjson.OPT_INDENT_2).decode(), OUTPUT_CHARS_MAX)
    return Html(f"<pre>{escaped(short)}</pre>"), is_cut


def is_share(value: Any) -> bool:
    """Whether a value is a number from 0 to 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
