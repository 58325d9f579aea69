"""What `sentiment` and `sentiment-fast` share: from scores to probabilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def three_way(z: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an array (z, 3): the probabilities of negative, neutral, positive."""
    scores = np.stack([-z / 2, u, z / 2], axis=1)
    shares: NDArray[np.float64] = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares
