"""slovnet's tagger of names with navec's vectors, from the files that the package natasha carries.

slovnet computes. What is ours is how words and vectors are kept: a quarter of a million words as a dict, and what navec
prepares for its vectors, take 200 MB in each process. Here the vectors stay quantised, mapped from the package's file,
and a word is found by the hash of its letters.
"""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from razdel import tokenize
from slovnet.exec.model import NER
from slovnet.exec.pack import Pack
from slovnet.shape import word_shape

from ml_service.runtime.bundled.entities_ru.spans import Token
from ml_service.runtime.bundled.shared_arrays import Arrays, shared_arrays
from ml_service.runtime.bundled.unigram import hashes_of

TAGGER, VECTORS = FILES = (
    "natasha:data/model/slovnet_ner_news_v1.tar",
    "natasha:data/emb/navec_news_v1_1B_250K_300d_100q.tar",
)
_UNKNOWN_WORD = "<unk>"
# Of the index of words as a file: another version's differs.
ARRAYS_SHA256 = "2a438b7cc6a6951e34f980614532ef298137cf0ee735acfc40f8ce1fecba8320"


class Tagger:
    """Gives each word of a text its tag."""

    def __init__(self, files: Callable[[str], Path]) -> None:
        """Read the network and what it knows of words.

        Args:
            files: `Model.weights` of the model whose manifest names `FILES`.

        Raises:
            WrongWeights: A file is not the one that the manifest names.
        """
        file = files(TAGGER)
        with Pack(str(file)) as pack:
            network = pack.load_model(NER)
            network = network.inject_arrays(dict(pack.load_arrays(network.weights)))
            self._shapes = pack.load_vocab("shape")
            self._tags = pack.load_vocab("tag")
        self._network = network.inject_navec(_vectors(files(VECTORS)))
        words = shared_arrays("entities-words", ARRAYS_SHA256, lambda: _index(file)).arrays
        self._hashes, self._ids, (self._unknown,) = words["hashes"], words["ids"], words["unknown"]

    def tokens(self, text: str) -> list[Token]:
        """Split a text as the network's training texts were split."""
        return [Token(each.text, each.start, each.stop) for each in tokenize(text)]

    def tags(self, words: Sequence[str]) -> list[str]:
        """Return the tag of each word of a text, such as ``B-PER`` or ``O``."""
        if not words:
            return []
        shapes = np.array([[self._shapes.encode(word_shape(word)) for word in words]])
        nothing_padded = np.zeros((1, len(words)), dtype=bool)
        scores = self._network(self._known(words), shapes, nothing_padded)
        (best,) = self._network.head.crf.decode(scores, ~nothing_padded)
        return [self._tags.decode(each) for each in best]

    def _known(self, words: Sequence[str]) -> NDArray[np.int64]:
        lower = [word.lower() for word in words]
        hashes = hashes_of("".join(lower), np.array([len(word) for word in lower]))
        at = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        return np.where(self._hashes[at] == hashes, self._ids[at], self._unknown)[np.newaxis]


def _index(file: Path) -> Arrays:
    """The words that have a vector, as sorted hashes of their letters and the vectors' places."""
    with Pack(str(file)) as pack:
        words = gzip.decompress(pack.read("vocabs/word.gz")).decode().splitlines()
    hashes = hashes_of("".join(words), np.array([len(word) for word in words]))
    order = np.argsort(hashes)
    unknown = np.array([words.index(_UNKNOWN_WORD)], dtype=np.int32)
    return {"hashes": hashes[order], "ids": order.astype(np.int32), "unknown": unknown}


def _vectors(file: Path) -> Any:
    """What slovnet takes for navec's vectors: for each word a hundred numbers of pieces, and the pieces."""
    with tarfile.open(file) as tar:
        meta, data = tar.extractfile("meta.json"), tar.getmember("pq.bin")
        assert meta is not None  # noqa: S101 - it is a file, by the manifest's hash
        vectors_id = json.load(meta)["id"]
    words, _, parts, pieces = np.fromfile(file, np.uint32, 4, offset=data.offset_data).tolist()
    begin = data.offset_data + 16
    # Mapped: processes share it, and read only the pages of the words that come.
    indexes = np.asarray(np.memmap(file, np.uint8, "r", begin, (words, parts)))
    codes = np.fromfile(file, np.float32, (data.size - 16 - words * parts) // 4, offset=begin + words * parts)
    vectors = SimpleNamespace(indexes=indexes, codes=codes.reshape(parts, pieces, -1))
    return SimpleNamespace(meta=SimpleNamespace(id=vectors_id), pq=vectors)
