"""Labelled texts for `sentiment`, and the features of each."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse  # type: ignore[import-untyped]
from numpy.typing import NDArray

from ml_service.runtime.bundled.e5 import E5Encoder
from ml_service.runtime.bundled.ngrams import BUCKETS, buckets
from ml_service.runtime.bundled.sentiment.model import Sentiment
from ml_service.runtime.bundled.text import without_lone_surrogates

Floats = NDArray[np.float64]

PHRASES_FILE = Path(__file__).with_name("sentiment_phrases.tsv")
LABELS = ("neg", "neu", "pos")
# How much of each (language, label) cell the project's own phrases make up: the public sets have no Russian reviews.
PHRASES_SHARE = 0.05
# More rows of a set made left-out sets no better, and a vector takes 8 ms.
ROWS_PER_SET_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Texts:
    """Rows of all sets: parallel arrays, and the features of each row."""

    sets: NDArray[Any]
    splits: NDArray[Any]
    labels: NDArray[Any]
    ngrams: scipy.sparse.csr_matrix
    vectors: NDArray[np.float32]

    def take(self, chosen: NDArray[Any]) -> Texts:
        """Return the rows that a mask chooses."""
        return Texts(
            self.sets[chosen], self.splits[chosen], self.labels[chosen], self.ngrams[chosen], self.vectors[chosen]
        )

    def weights(self, neutral: float = 1.0) -> Floats:
        """Weigh each (language, label) cell equally, but neutral by `neutral`, and phrases by their share."""
        weights = np.zeros(len(self.labels))
        languages = np.array([name[:2] for name in self.sets])
        own = np.array([name.endswith("-phrases") for name in self.sets])
        for language in ("en", "ru"):
            for label in LABELS:
                cell = (languages == language) & (self.labels == label)
                for part, share in ((cell & own, PHRASES_SHARE), (cell & ~own, 1 - PHRASES_SHARE)):
                    if part.any():
                        weights[part] = share * (neutral if label == "neu" else 1) / part.sum()
        total: Floats = weights / weights.sum()
        return total


def rows_of(file: Path) -> list[list[str]]:
    """Return the rows of one set: split, label, text."""
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n").split("\t") for line in lines][1:]


def sample(lines: list[list[str]]) -> list[list[str]]:
    """Return up to `ROWS_PER_SET_MAX` rows, the same ones each time."""
    chosen = np.random.default_rng(1).permutation(len(lines))[:ROWS_PER_SET_MAX]
    return [lines[place] for place in sorted(chosen)]


def read(folder: Path, cache: Path | None, *, both_ends: bool = False) -> Texts:
    """Read all sets and the project's own phrases, and compute the features.

    Args:
        folder: Where the sets are.
        cache: Where each set's vectors are kept.
        both_ends: Whether the vector of a long text is that of its beginning and its end.
    """
    encoder = E5Encoder(Sentiment().weights)
    rows: list[tuple[str, str, str]] = []
    vectors, found = [], []
    for name, all_lines in sets_of(folder):
        lines = sample(all_lines)
        contents = [line[2] for line in lines]
        kept = cache / f"{name}{'-ends' if both_ends else ''}.npy" if cache else None
        vectors.append(_vectors(encoder.encode_ends if both_ends else encoder.encode, contents, kept))
        rows += [(name, line[0], line[1]) for line in lines]
        found += [buckets(without_lone_surrogates(text)) for text in contents]
        print(f"{name}: {len(lines)} rows", flush=True)
    sizes = np.array([len(each) for each in found])
    values = np.repeat(1 / np.sqrt(np.maximum(sizes, 1)), sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    ngrams = scipy.sparse.csr_matrix((values, np.concatenate(found), starts), shape=(len(rows), BUCKETS))
    sets, splits, labels = (np.array(column) for column in zip(*rows, strict=True))
    return Texts(sets, splits, labels, ngrams, np.vstack(vectors))


def sets_of(folder: Path) -> Iterator[tuple[str, list[list[str]]]]:
    """Return the name and all rows of each set, the project's own phrases last."""
    for file in sorted(folder.glob("*.tsv.gz")):
        yield file.name.removesuffix(".tsv.gz"), rows_of(file)
    phrases = [line.split("\t") for line in PHRASES_FILE.read_text(encoding="utf-8").splitlines()]
    for language in ("en", "ru"):
        yield f"{language}-phrases", [["train", line[1], line[2]] for line in phrases if line[0] == language]


def _vectors(
    encode: Callable[[Sequence[str]], NDArray[np.float32]], texts: list[str], kept: Path | None
) -> NDArray[np.float32]:
    if kept is not None and kept.exists():
        vectors: NDArray[np.float32] = np.load(kept)
        return vectors
    vectors = encode(texts)
    if kept is not None:
        np.save(kept, vectors)
    return vectors
