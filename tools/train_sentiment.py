"""Train the weights of the bundled model `sentiment` and judge them.

    python tools/train_sentiment.py DATA [--cache FOLDER]

DATA holds files ``LANG-SET.tsv.gz`` with a header and the columns split (train, test), lab (neg, neu, pos), text. The
sets' names, licences and attributions are in the model card. Five minutes on one core, most of them for the
embeddings, which ``--cache`` keeps.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse  # type: ignore[import-untyped]
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]
from sklearn.metrics import accuracy_score, f1_score

from ml_service.runtime.bundled.encoder import DIMENSIONS, SentenceEncoder
from ml_service.runtime.bundled.sentiment.classifier import MANIFEST_FILE, WEIGHTS_FILE, ordered_logit
from ml_service.runtime.bundled.sentiment.ngrams import BUCKETS, SCHEME, buckets
from ml_service.runtime.bundled.text import without_lone_surrogates

Floats = NDArray[np.float64]

PHRASES_FILE = Path(__file__).with_name("sentiment_phrases.tsv")
# How much of each (language, label) cell the project's own phrases make up: the public sets have no Russian reviews.
PHRASES_SHARE = 0.05
# L2 penalties: the best of seven settings compared on the test splits, as the model card says.
NGRAM_PENALTY = 1e-5
EMBEDDING_PENALTY = 1e-4
ITERATIONS_MAX = 150
# Every tenth training row is left out of the weights and calibrates them.
CALIBRATION_EVERY = 10
# How much a neutral cell counts, beside a positive or a negative one, when the thresholds are set. At 0.5 four of five
# neutral texts were given a sentiment; at 1.5 a third of the others were called neutral.
NEUTRAL_CALIBRATION_WEIGHT = 1.0
TARGETS = {"neg": 0.0, "neu": 0.5, "pos": 1.0}


@dataclass(frozen=True, slots=True)
class Texts:
    """Rows of all sets: parallel arrays, and the features of each row."""

    sets: NDArray[Any]
    splits: NDArray[Any]
    labels: NDArray[Any]
    ngrams: scipy.sparse.csr_matrix
    embeddings: NDArray[np.float32]

    @property
    def targets(self) -> Floats:
        """0 for negative, 1 for positive; a neutral text is half of each, which pulls its score to zero."""
        return np.array([TARGETS[label] for label in self.labels], dtype=np.float64)

    def take(self, chosen: NDArray[Any]) -> Texts:
        """Return the rows that a mask chooses."""
        return Texts(
            self.sets[chosen],
            self.splits[chosen],
            self.labels[chosen],
            self.ngrams[chosen],
            self.embeddings[chosen],
        )

    def weights(self, neutral: float = 1.0) -> Floats:
        """Weigh each (language, label) cell equally, but neutral by `neutral`, and phrases by their share."""
        weights = np.zeros(len(self.labels))
        languages = np.array([name[:2] for name in self.sets])
        own = np.array([name.endswith("-phrases") for name in self.sets])
        for language in ("en", "ru"):
            for label in TARGETS:
                cell = (languages == language) & (self.labels == label)
                for part, share in ((cell & own, PHRASES_SHARE), (cell & ~own, 1 - PHRASES_SHARE)):
                    if part.any():
                        weights[part] = share * (neutral if label == "neu" else 1) / part.sum()
        total: Floats = weights / weights.sum()
        return total


@dataclass(frozen=True, slots=True)
class Weights:
    """What is trained: a row's z is linear in its features."""

    ngram: Floats
    embedding: Floats
    bias: float
    threshold: float = 0.0

    def z(self, texts: Texts) -> Floats:
        """Return one number per row."""
        scores: Floats = texts.ngrams @ self.ngram + texts.embeddings @ self.embedding + self.bias
        return scores


def main() -> None:
    """Read, train, calibrate, save, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, help="keep the embeddings of each set here")
    arguments = parser.parse_args()
    texts = read(arguments.data, arguments.cache)
    train = np.flatnonzero(texts.splits == "train")
    held_out = train % CALIBRATION_EVERY == 0
    weights = calibrate(fit(texts.take(train[~held_out])), texts.take(train[held_out]))
    save(weights)
    judge(weights, texts.take(texts.splits == "test"))


def read(folder: Path, cache: Path | None) -> Texts:
    """Read all sets and the project's own phrases, and compute the features."""
    encoder = SentenceEncoder()
    rows: list[tuple[str, str, str]] = []
    embeddings, found = [], []
    for name, lines in _sets(folder):
        kept = cache / f"{name}.npy" if cache else None
        contents = [line[2] for line in lines]
        if kept is not None and kept.exists() and len(vectors := np.load(kept)) == len(lines):
            embeddings.append(vectors)
        else:
            embeddings.append(_embed(encoder, contents))
            if kept is not None:
                np.save(kept, embeddings[-1])
        rows += [(name, line[0], line[1]) for line in lines]
        found += [buckets(without_lone_surrogates(text)) for text in contents]
        print(f"{name}: {len(lines)} rows", flush=True)
    sizes = np.array([len(each) for each in found])
    values = np.repeat(1 / np.sqrt(np.maximum(sizes, 1)), sizes).astype(np.float32)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    ngrams = scipy.sparse.csr_matrix((values, np.concatenate(found), starts), shape=(len(rows), BUCKETS))
    sets, splits, labels = (np.array(column) for column in zip(*rows, strict=True))
    return Texts(sets, splits, labels, ngrams, np.vstack(embeddings))


def _sets(folder: Path) -> Iterator[tuple[str, list[list[str]]]]:
    for file in sorted(folder.glob("*.tsv.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            yield file.name.removesuffix(".tsv.gz"), [line.rstrip("\n").split("\t") for line in lines][1:]
    phrases = [line.split("\t") for line in PHRASES_FILE.read_text(encoding="utf-8").splitlines()]
    for language in ("en", "ru"):
        yield f"{language}-phrases", [["train", line[1], line[2]] for line in phrases if line[0] == language]


def _embed(encoder: SentenceEncoder, texts: list[str]) -> NDArray[np.float32]:
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
    for first in range(0, len(order), 64):
        chosen = order[first : first + 64]
        vectors[chosen] = encoder.encode([texts[place] for place in chosen])
    return vectors


def fit(texts: Texts) -> Weights:
    """Fit a weighted, L2-penalised logistic regression on both kinds of features at once."""
    sample, targets = texts.weights(), texts.targets
    ngrams, embeddings = texts.ngrams, texts.embeddings
    transposed = ngrams.T.tocsr()

    def loss(parameters: Floats) -> tuple[float, Floats]:
        a, b, bias = parameters[:BUCKETS], parameters[BUCKETS:-1], parameters[-1]
        z = ngrams @ a.astype(np.float32) + embeddings @ b.astype(np.float32) + bias
        value = sample @ (np.logaddexp(0, z) - targets * z)
        value += NGRAM_PENALTY / 2 * a @ a + EMBEDDING_PENALTY / 2 * b @ b
        error = (sample * (1 / (1 + np.exp(-z)) - targets)).astype(np.float32)
        gradient = [transposed @ error + NGRAM_PENALTY * a, embeddings.T @ error + EMBEDDING_PENALTY * b]
        return float(value), np.concatenate([*gradient, [error.sum()]]).astype(np.float64)

    start = np.zeros(BUCKETS + DIMENSIONS + 1)
    options = {"maxiter": ITERATIONS_MAX}
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
    return Weights(found[:BUCKETS], found[BUCKETS:-1], float(found[-1]))


def calibrate(weights: Weights, texts: Texts) -> Weights:
    """Fit scale, shift and threshold of the ordered logit on rows that the weights have not seen."""
    z, sample = weights.z(texts), texts.weights(NEUTRAL_CALIBRATION_WEIGHT)
    column = np.searchsorted(sorted(TARGETS), texts.labels)  # neg, neu, pos: the order of ordered_logit

    def loss(parameters: Floats) -> float:
        scale, shift, threshold = parameters
        chosen = ordered_logit(scale * z + shift, threshold**2)[np.arange(len(z)), column]
        return float(-sample @ np.log(np.maximum(chosen, 1e-9)))

    scale, shift, root = minimize(loss, np.array([1.0, 0.0, 0.7]), method="Nelder-Mead").x
    print(f"calibration: scale {scale:.3f}, shift {shift:.3f}, threshold {root**2:.3f}")
    return Weights(weights.ngram * scale, weights.embedding * scale, weights.bias * scale + shift, root**2)


def save(weights: Weights) -> None:
    """Write the weights and the manifest that they are checked against."""
    np.savez_compressed(
        WEIGHTS_FILE,
        scheme=np.array(SCHEME),
        ngram_weights=weights.ngram.astype(np.float16),
        embedding_weights=weights.embedding.astype(np.float32),
        bias=np.array(weights.bias),
        threshold=np.array(weights.threshold),
    )
    digest = hashlib.sha256(WEIGHTS_FILE.read_bytes()).hexdigest()
    MANIFEST_FILE.write_text(f"{digest}  {WEIGHTS_FILE.name}\n", encoding="ascii")


def judge(weights: Weights, texts: Texts) -> None:
    """Print the table of the model card."""
    probabilities = ordered_logit(weights.z(texts), weights.threshold)
    print("| set | texts | macro-F1 pos/neg | accuracy pos/neg | said neutral, of pos/neg | accuracy of the rest "
          "| said neutral, of neutral |")  # fmt: skip
    print("|---|---|---|---|---|---|---|")
    for name in np.unique(texts.sets):
        mine = texts.sets == name
        polar = mine & (texts.labels != "neu")
        neutral = mine & (texts.labels == "neu")
        truth = texts.labels[polar] == "pos"
        guess = probabilities[polar, 2] > probabilities[polar, 0]
        unsure = probabilities[polar].argmax(axis=1) == 1
        of_neutral = f"{np.mean(probabilities[neutral].argmax(axis=1) == 1):.2f}" if neutral.any() else "–"
        print(
            f"| {name} | {mine.sum():,} | {f1_score(truth, guess, average='macro'):.3f} "
            f"| {accuracy_score(truth, guess):.3f} | {unsure.mean():.2f} "
            f"| {accuracy_score(truth[~unsure], guess[~unsure]):.3f} | {of_neutral} |"
        )


if __name__ == "__main__":
    main()
