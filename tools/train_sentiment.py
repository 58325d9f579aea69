"""Train the weights of the bundled model `sentiment`, and say how well it does on sets that it was not trained on.

    python -m tools.train_sentiment DATA [--cache FOLDER]

DATA holds files ``LANG-SET.tsv.gz`` with a header and the columns split (train, test), lab (neg, neu, pos), text. The
sets' names, licences and attributions are in the model card. Ten minutes on one core, most of them for the e5 vectors,
which ``--cache`` keeps.

Three scores are added up to z, the positive against the negative: that of the head which sentimentai-py 2.0.0 has for
e5-small, that of a head of our own on the same vectors, and that of n-grams. Ours are fitted without neutral texts. How
neutral a text is, u, is what sentimentai-py's head says. Scales, and u's bias, are fitted to the scores of sets that
were left out, each by weights that were trained on the other sets. z gets no bias from them: ours are fitted with
positive and negative texts of equal weight, and what suited these sets did not suit others.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse  # type: ignore[import-untyped]
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize  # type: ignore[import-untyped]

from ml_service.runtime.author.weights import manifest_of
from ml_service.runtime.author.weights import read as read_manifest
from ml_service.runtime.bundled.ngrams import SCHEME
from ml_service.runtime.bundled.sentiment.classifier import WEIGHTS
from ml_service.runtime.bundled.sentiment_scores import three_way
from ml_service.runtime.locations import BUNDLED_FOLDER, MANIFEST_FILE
from tools.sentiment_data import Floats, Texts, read
from tools.sentiment_table import HEADING, row_of, said_neutral

FOLDER = BUNDLED_FOLDER / "sentiment"
PUBLISHED_HEAD = Path(__file__).with_name("sentimentai_e5_small.json")
# Chosen on left-out sets, with two other penalties, the published MLP head, and the Universal Sentence Encoder beside.
NGRAM_PENALTY = 1e-5
VECTOR_PENALTY = 1e-3
ITERATIONS_MAX = 80
PUBLISHED_SHARE, NGRAM_SHARE = 0.5, 0.25
# u counts half as steep as the published head has it: of .3, .5, .8 and 1, it finds most of the neutral Russian texts.
NEUTRAL_SCALE = 0.5
# How many positive and negative texts of a left-out set may be called neutral, in the mean of the sets.
NEUTRAL_SHARE = 0.12


@dataclass(frozen=True, slots=True)
class Weights:
    """z = ngrams · ngram features + positive · vector + bias; u = neutral · vector + bias."""

    ngrams: Floats
    positive: Floats
    neutral: Floats
    biases: Floats

    def scores(self, texts: Texts) -> tuple[Floats, Floats]:
        """Return z and u of each text."""
        z: Floats = texts.ngrams @ self.ngrams + texts.vectors @ self.positive + self.biases[0]
        u: Floats = texts.vectors @ self.neutral + self.biases[1]
        return z, u

    def calibrated(self, calibration: Floats) -> Weights:
        """Apply scale and shift of z, scale and shift of u."""
        scale, shift, neutral_scale, neutral_shift = calibration
        biases = np.array([self.biases[0] * scale + shift, self.biases[1] * neutral_scale + neutral_shift])
        return Weights(self.ngrams * scale, self.positive * scale, self.neutral * neutral_scale, biases)


def main() -> None:
    """Read, leave out each set in turn, calibrate, print the table, train on all sets, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--cache", type=Path, help="keep the vectors of each set here")
    arguments = parser.parse_args()
    texts = read(arguments.data, arguments.cache, both_ends=True)
    left_out = []
    for name in [name for name in np.unique(texts.sets) if not name.endswith("-phrases")]:
        judged = texts.take(texts.sets == name)
        left_out.append((judged, *fit(texts.take(texts.sets != name)).scores(judged)))
        print(f"left out: {name}", flush=True)
    calibration = calibrate(left_out, shifted=False)
    print(HEADING)
    for judged, z, u in left_out:
        scale, shift, neutral_scale, neutral_shift = calibration
        probabilities = three_way(z * scale + shift, u * neutral_scale + neutral_shift)
        print(row_of(str(judged.sets[0]), judged.labels, probabilities))
    save(fit(texts.take(texts.splits == "train")).calibrated(calibration))


def fit(texts: Texts) -> Weights:
    """Fit both parts that are ours, and add the published head."""
    polar = texts.take(texts.labels != "neu")
    ngrams, ngram_bias = _regression(polar.ngrams, polar, NGRAM_PENALTY)
    vector, vector_bias = _regression(polar.vectors.astype(np.float64), polar, VECTOR_PENALTY)
    head = json.loads(PUBLISHED_HEAD.read_text())
    (negative, neutral, positive), intercepts = np.array(head["coef"]), np.array(head["intercept"])
    bias = ngram_bias * NGRAM_SHARE + vector_bias + (intercepts[2] - intercepts[0]) * PUBLISHED_SHARE
    return Weights(
        ngrams * NGRAM_SHARE,
        vector + (positive - negative) * PUBLISHED_SHARE,
        neutral - (positive + negative) / 2,
        np.array([bias, intercepts[1] - (intercepts[0] + intercepts[2]) / 2]),
    )


def _regression(features: Any, texts: Texts, penalty: float) -> tuple[Floats, float]:
    """Fit a weighted, L2-penalised logistic regression, positive against negative; `features` may be sparse."""
    sample, targets = texts.weights(), (texts.labels == "pos").astype(np.float64)
    transposed = features.T.tocsr() if scipy.sparse.issparse(features) else features.T

    def loss(parameters: Floats) -> tuple[float, Floats]:
        coefficients, bias = parameters[:-1], parameters[-1]
        z = features @ coefficients + bias
        error = sample * (1 / (1 + np.exp(-z)) - targets)
        value = sample @ (np.logaddexp(0, z) - targets * z) + penalty / 2 * coefficients @ coefficients
        return float(value), np.append(transposed @ error + penalty * coefficients, error.sum())

    start = np.zeros(features.shape[1] + 1)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": ITERATIONS_MAX}).x
    return found[:-1], float(found[-1])


def calibrate(left_out: list[tuple[Texts, Floats, Floats]], *, shifted: bool = True) -> Floats:
    """Return scale and shift of z, scale and shift of u.

    z's make the labels of the left-out positive and negative texts most probable; its shift is 0 unless it may be
    `shifted`. u's shift is the one with which `NEUTRAL_SHARE` of them is called neutral.
    """
    z = np.concatenate([each for _, each, _ in left_out])
    sample = np.concatenate([judged.weights(0) for judged, *_ in left_out])
    labels: NDArray[np.str_] = np.concatenate([judged.labels for judged, *_ in left_out])
    sign = np.where(labels == "pos", 1, -1)

    def loss(parameters: Floats) -> float:
        return float(sample @ np.logaddexp(0, -sign * (z * parameters[0] + parameters[1:].sum())))

    found_z = minimize(loss, np.array([1.0, 0.0] if shifted else [1.0]), method="Nelder-Mead").x
    scale, shift = found_z if shifted else (found_z[0], 0.0)

    def share(neutral_shift: float) -> float:
        found = [
            said_neutral(judged.labels, three_way(z * scale + shift, u * NEUTRAL_SCALE + neutral_shift))
            for judged, z, u in left_out
        ]
        return float(np.mean(found))

    neutral_shift = float(brentq(lambda tried: share(tried) - NEUTRAL_SHARE, -10, 10, xtol=1e-3))
    found = np.array([scale, shift, NEUTRAL_SCALE, neutral_shift])
    print("calibration:", found.round(3).tolist())
    return found


def save(weights: Weights) -> None:
    """Write the weights and the manifest that they are checked against."""
    np.savez_compressed(
        FOLDER / WEIGHTS,
        scheme=np.array(SCHEME),
        ngrams=weights.ngrams.astype(np.float16),
        positive=weights.positive.astype(np.float32),
        neutral=weights.neutral.astype(np.float32),
        biases=weights.biases,
    )
    (FOLDER / MANIFEST_FILE).write_text(manifest_of(FOLDER, read_manifest(FOLDER)), encoding="utf-8")


if __name__ == "__main__":
    main()
