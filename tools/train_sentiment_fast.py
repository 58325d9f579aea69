"""Train the weights of the bundled model `sentiment-fast`, and say how well it does on sets that it was not trained on.

    python -m tools.train_sentiment_fast DATA [--cache FOLDER]

DATA and the cache as for ``train_sentiment``. The pupil learns what `sentiment` says of the texts, neutral ones too,
instead of their labels: a linear score of the Universal Sentence Encoder's vectors, and a quarter of one of n-grams.
For the table the teacher, too, is trained without the set that is left out.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse  # type: ignore[import-untyped]
from numpy.typing import NDArray
from scipy.optimize import minimize  # type: ignore[import-untyped]

from ml_service.runtime.author.weights import manifest_of
from ml_service.runtime.author.weights import read as read_manifest
from ml_service.runtime.bundled.encoder import SentenceEncoder
from ml_service.runtime.bundled.ngrams import SCHEME
from ml_service.runtime.bundled.sentiment_fast.classifier import WEIGHTS
from ml_service.runtime.bundled.sentiment_fast.model import SentimentFast
from ml_service.runtime.bundled.sentiment_scores import three_way
from ml_service.runtime.locations import BUNDLED_FOLDER, MANIFEST_FILE
from tools.sentiment_data import Floats, Texts, read, sample, sets_of
from tools.sentiment_table import HEADING, macro_f1, row_of
from tools.train_sentiment import ITERATIONS_MAX, NEUTRAL_SCALE, calibrate, fit

FOLDER = BUNDLED_FOLDER / "sentiment_fast"
# Chosen on left-out sets, of three penalties and three shares.
VECTOR_PENALTY, NGRAM_PENALTY = 1e-4, 1e-5
NGRAM_SHARE = 0.25
# How sure the teacher's scores are taken to be.
STEEPNESS = 1.5
BATCH = 32


def main() -> None:
    """Read, leave out each set in turn, calibrate, print the table, train on all sets, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, help="keep the vectors of each set here")
    arguments = parser.parse_args()
    texts = read(arguments.data, arguments.cache)
    vectors = _vectors(arguments.data, arguments.cache)
    left_out = []
    for name in [name for name in np.unique(texts.sets) if not name.endswith("-phrases")]:
        inside = texts.sets != name
        ngrams, positive, bias = _taught(texts.take(inside), vectors[inside])
        judged = texts.take(~inside)
        z = judged.ngrams @ ngrams + vectors[~inside] @ positive + bias
        left_out.append((judged, z, np.zeros(len(z))))
        print(f"left out: {name}", flush=True)
    scale, shift, _, neutral = calibrate(left_out)
    print(HEADING)
    means: dict[str, list[float]] = {"ru": [], "en": []}
    for judged, z, u in left_out:
        probabilities = three_way(z * scale + shift, u * NEUTRAL_SCALE + neutral)
        print(row_of(str(judged.sets[0]), judged.labels, probabilities))
        means[str(judged.sets[0])[:2]].append(macro_f1(judged.labels, probabilities))
    print(f"\nmacro-F1 RU {np.mean(means['ru']):.3f}, EN {np.mean(means['en']):.3f}")
    inside = texts.splits == "train"
    ngrams, positive, bias = _taught(texts.take(inside), vectors[inside])
    np.savez_compressed(
        FOLDER / WEIGHTS,
        scheme=np.array(SCHEME),
        ngrams=(ngrams * scale).astype(np.float16),
        positive=(positive * scale).astype(np.float32),
        biases=np.array([bias * scale + shift, neutral]),
    )
    (FOLDER / MANIFEST_FILE).write_text(manifest_of(FOLDER, read_manifest(FOLDER)), encoding="utf-8")


def _taught(texts: Texts, vectors: NDArray[np.float32]) -> tuple[Floats, Floats, float]:
    """Return the weights of n-grams and vectors, and a bias, that say what `sentiment` would say of `texts`."""
    teacher, _ = fit(texts).scores(texts)
    targets = 1 / (1 + np.exp(-STEEPNESS * teacher))
    languages = np.array([name[:2] for name in texts.sets])
    sample_weights = np.where(languages == "ru", 0.5 / (languages == "ru").sum(), 0.5 / (languages == "en").sum())
    positive, bias = _regression(vectors.astype(np.float64), targets, sample_weights, VECTOR_PENALTY)
    ngrams, ngram_bias = _regression(texts.ngrams, targets, sample_weights, NGRAM_PENALTY)
    return ngrams * NGRAM_SHARE, positive, bias + ngram_bias * NGRAM_SHARE


def _regression(features: Any, targets: Floats, weights: Floats, penalty: float) -> tuple[Floats, float]:
    """Fit a weighted, L2-penalised logistic regression to probabilities; `features` may be sparse."""
    transposed = features.T.tocsr() if scipy.sparse.issparse(features) else features.T

    def loss(parameters: Floats) -> tuple[float, Floats]:
        coefficients = parameters[:-1]
        z = features @ coefficients + parameters[-1]
        error = weights * (1 / (1 + np.exp(-z)) - targets)
        value = weights @ (np.logaddexp(0, z) - targets * z) + penalty / 2 * coefficients @ coefficients
        return float(value), np.append(transposed @ error + penalty * coefficients, error.sum())

    start = np.zeros(features.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS_MAX}).x
    return found[:-1], float(found[-1])


def _vectors(folder: Path, cache: Path | None) -> NDArray[np.float32]:
    """Return the Universal Sentence Encoder's vectors of the rows that `read` reads."""
    encoder = SentenceEncoder(SentimentFast().weights)
    found = []
    for name, lines in sets_of(folder):
        kept = cache / f"use-{name}.npy" if cache else None
        if kept is not None and kept.exists():
            found.append(np.load(kept))
            continue
        contents = [line[2] for line in sample(lines)]
        vectors = [encoder.encode(contents[start : start + BATCH]) for start in range(0, len(contents), BATCH)]
        found.append(np.vstack(vectors))
        if kept is not None:
            np.save(kept, found[-1])
    return np.vstack(found)


if __name__ == "__main__":
    main()
