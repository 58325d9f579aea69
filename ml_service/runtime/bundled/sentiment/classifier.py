"""Linear scores of n-grams and of a sentence's meaning, turned into three probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml_service.runtime.author import WrongWeights
from ml_service.runtime.bundled.e5 import E5Encoder
from ml_service.runtime.bundled.e5_weights import DIMENSIONS
from ml_service.runtime.bundled.ngrams import BUCKETS, SCHEME, buckets
from ml_service.runtime.bundled.sentiment_scores import three_way
from ml_service.runtime.bundled.text import without_lone_surrogates

WEIGHTS = "weights.npz"


class SentimentClassifier:
    """Positive, neutral or negative, by two numbers.

    z says how positive a text is, by its n-grams and its e5 vector, that of both ends of a long text; u how neutral, by
    the vector alone. The probabilities of negative, neutral and positive are in the proportions exp(-z/2) : exp(u) :
    exp(z/2).
    """

    def __init__(self, files: Callable[[str], Path]) -> None:
        """Read the weights and the encoder.

        Args:
            files: `Model.weights` of the model.

        Raises:
            WrongWeights: A file was changed, or was made for other n-grams.
        """
        weights = files(WEIGHTS)
        with np.load(weights, allow_pickle=False) as arrays:
            scheme = str(arrays["scheme"])
            if scheme != SCHEME:
                raise WrongWeights(f"{weights.name} is for {scheme}, this version makes {SCHEME}; train it again.")
            self._ngrams: NDArray[np.float16] = arrays["ngrams"]
            self._positive: NDArray[np.float32] = arrays["positive"]
            self._neutral: NDArray[np.float32] = arrays["neutral"]
            self._biases: NDArray[np.float64] = arrays["biases"]
        shapes = [each.shape for each in (self._ngrams, self._positive, self._neutral, self._biases)]
        if shapes != [(BUCKETS,), (DIMENSIONS,), (DIMENSIONS,), (2,)]:
            raise WrongWeights(f"{weights.name} has arrays of another shape than this version needs; train it again.")
        self._encoder = E5Encoder(files)

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return an array (texts, 3): the probabilities of negative, neutral, positive."""
        vectors = self._encoder.encode_ends(texts)
        by_ngrams = np.array([self._ngram_score(text) for text in texts])
        # Sums of products one by one: a matrix product's last bits would depend on the number of texts.
        z = (vectors * self._positive).sum(axis=1, dtype=np.float64) + by_ngrams + self._biases[0]
        u = (vectors * self._neutral).sum(axis=1, dtype=np.float64) + self._biases[1]
        return three_way(z, u)

    def _ngram_score(self, text: str) -> float:
        found = buckets(without_lone_surrogates(text))
        return float(self._ngrams[found].sum(dtype=np.float64)) / math.sqrt(max(len(found), 1))
