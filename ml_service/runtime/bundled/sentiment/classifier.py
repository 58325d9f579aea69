"""Linear scores of n-grams and of a sentence embedding, turned into three probabilities; numpy only."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml_service.runtime.bundled.encoder import DIMENSIONS, SentenceEncoder
from ml_service.runtime.bundled.sentiment.ngrams import BUCKETS, SCHEME, buckets
from ml_service.runtime.bundled.text import without_lone_surrogates

WEIGHTS_FILE = Path(__file__).with_name("weights.npz")
MANIFEST_FILE = Path(__file__).with_name("weights.sha256")


class WrongWeights(Exception):
    """The weights are not the ones that belong to this version; the message says what to do."""


class SentimentClassifier:
    """Positive, neutral or negative, by one number and a band around zero.

    The number z is what the n-grams and the embedding say together: below zero negative, above positive. The
    probabilities are those of an ordered logit with the symmetric thresholds -t and t (McCullagh, 1980):
    P(positive) = s(z - t), P(negative) = s(-z - t), P(neutral) = the rest, where s is the logistic function.
    """

    def __init__(self, weights: Path = WEIGHTS_FILE, manifest: Path = MANIFEST_FILE) -> None:
        """Read the weights and the encoder.

        Raises:
            WrongWeights: The file was changed, or was made for other n-grams.
        """
        verify(weights, manifest)
        with np.load(weights, allow_pickle=False) as arrays:
            scheme = str(arrays["scheme"])
            if scheme != SCHEME:
                raise WrongWeights(f"{weights.name} is for {scheme}, this version makes {SCHEME}; train anew.")
            self._ngram_weights: NDArray[np.float32] = arrays["ngram_weights"].astype(np.float32)
            self._embedding_weights: NDArray[np.float32] = arrays["embedding_weights"].astype(np.float32)
            self._bias = float(arrays["bias"])
            self._threshold = float(arrays["threshold"])
        if self._ngram_weights.shape != (BUCKETS,) or self._embedding_weights.shape != (DIMENSIONS,):
            raise WrongWeights(f"{weights.name} has arrays of another shape than this version needs; train anew.")
        self._encoder = SentenceEncoder()

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return an array (texts, 3): the probabilities of negative, neutral, positive."""
        by_ngrams = np.array([self._ngram_score(text) for text in texts])
        by_embedding = self._encoder.encode(texts) @ self._embedding_weights
        return ordered_logit(by_ngrams + by_embedding + self._bias, self._threshold)

    def _ngram_score(self, text: str) -> float:
        found = buckets(without_lone_surrogates(text))
        return float(self._ngram_weights[found].sum()) / math.sqrt(max(len(found), 1))


def ordered_logit(z: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """Return an array (z, 3): the probabilities of negative, neutral, positive."""
    negative = 1 / (1 + np.exp(np.clip(z + threshold, -50, 50)))
    positive = 1 / (1 + np.exp(np.clip(threshold - z, -50, 50)))
    return np.stack([negative, 1 - negative - positive, positive], axis=1)


def verify(weights: Path, manifest: Path) -> None:
    """Compare the file's SHA-256 with the manifest's, written in the format of ``sha256sum``.

    Raises:
        WrongWeights: They differ.
    """
    expected = manifest.read_text(encoding="ascii").split()[0]
    actual = hashlib.sha256(weights.read_bytes()).hexdigest()
    if actual != expected:
        raise WrongWeights(
            f"{weights} is not the file that {manifest.name} names (SHA-256 {actual[:12]}…, expected "
            f"{expected[:12]}…): it was changed or damaged. Install it again, or train anew with "
            "tools/train_sentiment.py."
        )
