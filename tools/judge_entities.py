"""Judge the bundled model `entities-ru`, in its own environment.

``python3 start.py --cli models check entities-ru`` makes that; then ``var/models/entities-ru/bin/python -m
tools.judge_entities [FOLDER]``. ``entities_sentences.tsv`` has sentences of our own, in which we have marked what they
name: [P …], [L …], [O …], without the quotation marks around a whole name. Below a floor the exit code is 1. FOLDER:
RuSentNE-evaluation (github.com/dialogue-evaluation/RuSentNE-evaluation), whose rows each mark one name in a sentence of
the news, so that only whether that one is found can be told.
"""

from __future__ import annotations

import csv
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from ml_service.runtime.bundled.entities_ru.model import EntitiesRu

SENTENCES_FILE = Path(__file__).with_name("entities_sentences.tsv")
MARKS = {"P": "person", "L": "place", "O": "organization"}
MARK = re.compile(r"\[([PLO]) ([^]]+)]")
RUSENTNE = ("train_data.csv", "validation_data_labeled.csv")
RUSENTNE_TAGS = {"PERSON": "person", "ORGANIZATION": "organization", "COUNTRY": "place"}
F1_MIN = 0.88


class Named(NamedTuple):
    """What a text names, and where."""

    kind: str
    start: int
    end: int


def main() -> int:
    """Print both tables, and compare with the floor."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # as a worker does; numpy, which load() imports, reads it
    model = EntitiesRu()
    model.load()
    f1 = _judge_own(lambda text: _answer(model, text))
    for folder in sys.argv[1:]:
        _judge_rusentne(lambda text: _answer(model, text), Path(folder))
    return 0 if f1 >= F1_MIN else 1


def _answer(model: EntitiesRu, text: str) -> set[Named]:
    (output,) = model.predict([{"text": text}])
    return {Named(one["type"], one["start"], one["end"]) for one in output["entities"]}


def _judge_own(ask: Callable[[str], set[Named]]) -> float:
    """Print how well our sentences are answered: right is the right kind from the first to the last character."""
    rows = [line.split("\t") for line in SENTENCES_FILE.read_text(encoding="utf-8").splitlines()]
    marked = [(genre, *_unmarked(text)) for genre, text in rows]
    began = time.process_time()
    answers = [ask(text) for _, text, _ in marked]
    pace = len(marked) / (time.process_time() - began)
    print("| texts | marked | found | precision | recall | F1 |\n|---|---|---|---|---|---|")
    for genre in dict.fromkeys(genre for genre, *_ in marked):
        _row(genre, [(known, found) for (each, _, known), found in zip(marked, answers, strict=True) if each == genre])
    pairs = [(known, found) for (_, _, known), found in zip(marked, answers, strict=True)]
    for kind in MARKS.values():
        _row(kind, [(_of(kind, known), _of(kind, found)) for known, found in pairs])
    f1 = _row("all", pairs)
    length = sum(len(text) for _, text, _ in marked) / len(marked)
    print(f"\n{len(marked)} sentences of {length:.0f} characters; F1 {f1:.2f} (at least {F1_MIN})", end="; ")
    print(f"{pace:.0f} a second and core")
    return f1


def _unmarked(text: str) -> tuple[str, set[Named]]:
    plain, known, at = "", set(), 0
    for match in MARK.finditer(text):
        plain += text[at : match.start()]
        known.add(Named(MARKS[match[1]], len(plain), len(plain) + len(match[2])))
        plain += match[2]
        at = match.end()
    return plain + text[at:], known


def _of(kind: str, names: set[Named]) -> set[Named]:
    return {each for each in names if each.kind == kind}


def _row(name: str, pairs: Iterable[tuple[set[Named], set[Named]]]) -> float:
    pairs = list(pairs)
    known, found = (sum(len(pair[side]) for pair in pairs) for side in (0, 1))
    right = sum(len(left & right) for left, right in pairs)
    precision, recall = right / max(found, 1), right / max(known, 1)
    f1 = 2 * right / max(known + found, 1)
    print(f"| {name} | {known} | {found} | {precision:.2f} | {recall:.2f} | {f1:.2f} |", flush=True)
    return f1


def _judge_rusentne(ask: Callable[[str], set[Named]], folder: Path) -> None:
    """Print how many of the marked names are found: a name of their kind touches them, or is the same."""
    marked, touched, same = Counter[str](), Counter[str](), Counter[str]()
    for text, known in _rusentne(folder):
        found = _of(known.kind, ask(text))
        marked[known.kind] += 1
        touched[known.kind] += any(each.start < known.end and known.start < each.end for each in found)
        same[known.kind] += known in found
    print("\n| RuSentNE | marked | found | found in full |\n|---|---|---|---|")
    for kind, count in marked.items():
        print(f"| {kind} | {count} | {touched[kind] / count:.2f} | {same[kind] / count:.2f} |")


def _rusentne(folder: Path) -> Iterator[tuple[str, Named]]:
    for name in RUSENTNE:
        with (folder / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                start, end = int(row["entity_pos_start_rel"]), int(row["entity_pos_end_rel"])
                if kind := RUSENTNE_TAGS.get(row["entity_tag"]):
                    yield row["sentence"], Named(kind, start, end)


if __name__ == "__main__":
    sys.exit(main())
