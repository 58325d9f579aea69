"""The table of the sentiment models' cards, a row for each set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADING = """\
| set | texts | macro-F1 pos/neg | said neutral, of pos/neg | accuracy of the rest | said neutral, of neutral |
|---|---|---|---|---|---|"""


def macro_f1(labels: NDArray[Any], probabilities: NDArray[np.float64]) -> float:
    """Return the mean F1 of positive and negative, of texts that are one of them; neutral may not be answered."""
    polar = labels != "neu"
    truth = labels[polar] == "pos"
    guess = probabilities[polar, 2] > probabilities[polar, 0]
    scores = []
    for side in (True, False):
        right = ((guess == side) & (truth == side)).sum()
        scores.append(2 * right / max(((guess == side).sum() + (truth == side).sum()), 1))
    return float(np.mean(scores))


def said_neutral(labels: NDArray[Any], probabilities: NDArray[np.float64]) -> float:
    """Return how many of the texts that are positive or negative are called neutral."""
    return float((probabilities[labels != "neu"].argmax(axis=1) == 1).mean())


def row_of(name: str, labels: NDArray[Any], probabilities: NDArray[np.float64]) -> str:
    """Return one row; `probabilities` are those of negative, neutral, positive."""
    polar, neutral = labels != "neu", labels == "neu"
    answers = probabilities.argmax(axis=1)
    answered = polar & (answers != 1)
    accuracy = ((answers == 2) == (labels == "pos"))[answered].mean()  # noqa: PLR2004 - the column of positive
    of_neutral = f"{(answers[neutral] == 1).mean():.2f}" if neutral.any() else "–"
    return (
        f"| {name} | {len(labels):,} | {macro_f1(labels, probabilities):.3f} "
        f"| {said_neutral(labels, probabilities):.2f} | {accuracy:.3f} | {of_neutral} |"
    )
