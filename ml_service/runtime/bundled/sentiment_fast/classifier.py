"""Linear scores of n-grams and of a sentence's vector, taught by the model `sentiment`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml_service.runtime.author import WrongWeights
from ml_service.runtime.bundled.encoder import DIMENSIONS, SentenceEncoder
from ml_service.runtime.bundled.ngrams import BUCKETS, SCHEME, buckets
from ml_service.runtime.bundled.sentiment_scores import three_way
from ml_service.runtime.bundled.text import without_lone_surrogates

WEIGHTS = "weights.npz"


class FastClassifier:
    """Positive, neutral or negative, by one number: neutral is what lies between the other two."""

    def __init__(self, files: Callable[[str], Path]) -> None:
        """Read the weights and the encoder.

        Args:
            files: `Model.weights` of the model.

        Raises:
            WrongWeights: A file was changed, or was made for other n-grams.
        """
        with np.load(files(WEIGHTS), allow_pickle=False) as arrays:
            self._ngrams: NDArray[np.float16] = arrays["ngrams"]
            self._positive: NDArray[np.float32] = arrays["positive"]
            self._biases: NDArray[np.float64] = arrays["biases"]
            is_ours = str(arrays["scheme"]) == SCHEME
        if not is_ours or self._ngrams.shape != (BUCKETS,) or self._positive.shape != (DIMENSIONS,):
            raise WrongWeights(f"{WEIGHTS} is for another version; train it again.")
        self._encoder = SentenceEncoder(files)

    def probabilities(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Return an array (texts, 3): the probabilities of negative, neutral, positive."""
        vectors = self._encoder.encode(texts)
        by_ngrams = np.array([self._ngram_score(text) for text in texts])
        z = (vectors * self._positive).sum(axis=1, dtype=np.float64) + by_ngrams + self._biases[0]
        return three_way(z, np.full(len(texts), self._biases[1]))

    def _ngram_score(self, text: str) -> float:
        found = buckets(without_lone_surrogates(text))
        return float(self._ngrams[found].sum(dtype=np.float64)) / math.sqrt(max(len(found), 1))
