"""What `sentiment` and `sentiment-fast` share: from scores to probabilities, and the check of a weights file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ml_service.runtime.bundled.e5_weights import WrongWeights


def three_way(z: NDArray[np.float64], u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an array (z, 3): the probabilities of negative, neutral, positive."""
    scores = np.stack([-z / 2, u, z / 2], axis=1)
    shares: NDArray[np.float64] = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


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
            f"{expected[:12]}…): it was changed or damaged. Install it again, or train it again: see its MODEL_CARD.md."
        )
