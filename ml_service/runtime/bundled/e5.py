"""multilingual-e5-small: a text's meaning as 384 numbers, by an 8-bit graph on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_service.runtime.bundled.e5_weights import (
    BLOCK,
    BLOCK_NUMBERS,
    DIMENSIONS,
    FILE,
    INNER,
    LAYERS,
    E5Weights,
    unpacked,
)
from ml_service.runtime.bundled.shared_arrays import Arrays, Rows, shared_arrays
from ml_service.runtime.bundled.shared_session import shared_session
from ml_service.runtime.bundled.text import head, tail, without_lone_surrogates
from ml_service.runtime.bundled.unigram import PieceIndex, UnigramTokenizer, index_of

GRAPH_FILE = Path(__file__).with_name("e5_graph.onnx")
CHARS_MAX = 600
# The time grows with the tokens; 128 are some 400 characters of Russian, 500 of English.
TOKENS_MAX = 128
TOKENS_KNOWN = 512
CHARACTERS_KEPT_MAX = 2_000
# Of `_arrays` and `_tensors` as files: a change there changes them.
ARRAYS_SHA256 = "fd1aedf0760c14a64406eb89e4cadc037ebd279270ba945939d938ed5c909832"
TENSORS_SHA256 = "4538206e6bce1f5f3a18cd97f5d618609f55fa89ae5d37ac8dd53ec4c7d08834"
# The model was trained with one of these before every text.
QUERY, PASSAGE = "query: ", "passage: "


class Folding(dict[int, str | int]):
    """What becomes of a character, for `str.translate`: of the shared arrays' 4,837 a process keeps what it has met.

    All of them as strings would take 1 MiB in each process.
    """

    def __init__(self, arrays: Arrays) -> None:
        """Take the arrays of `_arrays`, whose codes ascend."""
        super().__init__()
        self._codes = arrays["folding.codes"]
        self._texts = arrays["folding.texts"].tobytes().decode("utf-32-le")
        self._stops = np.cumsum(arrays["folding.lengths"], dtype=np.int32)

    def __missing__(self, code: int) -> str | int:
        """Look a character up; most stay as they are."""
        if len(self) >= CHARACTERS_KEPT_MAX:
            self.clear()
        at = int(np.searchsorted(self._codes, np.uint32(code)))
        found: str | int = code
        if at < len(self._codes) and self._codes[at] == code:
            found = self._texts[self._stops[at - 1] if at else 0 : self._stops[at]]
        self[code] = found
        return found


class E5Encoder:
    """Turns texts into unit vectors: about 8 ms for 100 characters, and 100 MB, most of them shared.

    Texts are computed one by one. The graph scales its 8-bit numbers by the largest of the whole input, so in a common
    input a text's vector would depend on its neighbours, and hardly be faster.
    """

    def __init__(self, files: Callable[[str], Path], chars_max: int = CHARS_MAX, tokens_max: int = TOKENS_MAX) -> None:
        """Map the weights and make the graph's 8-bit matrices of them.

        Args:
            files: `Model.weights` of the model whose manifest names the file with the weights.
            chars_max: How many characters of a text are read.
            tokens_max: How many tokens of them, those that begin and end a text included; at most `TOKENS_KNOWN`.

        Raises:
            WrongWeights: The package with the weights is missing, or another one than the manifest names.
        """
        file = files(FILE)
        self._readable_max = chars_max
        self._inner_max = tokens_max - 2  # a token begins a text and one ends it
        arrays = shared_arrays("e5", ARRAYS_SHA256, lambda: _arrays(E5Weights(file))).arrays
        self._begin, self._end, unknown, tokens_start = arrays["numbers"].tolist()
        self._tokenizer = UnigramTokenizer(
            PieceIndex.of_arrays(arrays), Folding(arrays), unknown=unknown, chars_max=chars_max + len(PASSAGE)
        )
        self._token_blocks = Rows(file, BLOCK, tokens_start, DIMENSIONS // BLOCK_NUMBERS)
        self._positions = arrays["positions"][:tokens_max]
        self._graph = shared_session("e5", GRAPH_FILE, TENSORS_SHA256, lambda: dict(_tensors(E5Weights(file))))
        # The first text takes 8 MB for a moment, which a model's process gives back if it is while it loads.
        self.vector("warm up")

    def tokens(self, text: str, prefix: str = QUERY) -> list[int]:
        """Return the tokens of what is read of `text`, with those that begin and end it."""
        readable = head(without_lone_surrogates(text), self._readable_max)
        return [self._begin, *self._tokenizer.tokens(prefix + readable)[: self._inner_max], self._end]

    def tokens_of_ends(self, text: str) -> list[list[int]]:
        """Return the `tokens` of a text, and as many of its last ones where those are not all of it."""
        valid = without_lone_surrogates(text)
        if len(valid) > self._readable_max:
            valid = valid.strip()  # an end of blanks would count as half of the text
        found = self._tokenizer.tokens(QUERY + head(valid, self._readable_max))
        first = [self._begin, *found[: self._inner_max], self._end]
        if len(valid) <= self._readable_max and len(found) <= self._inner_max:
            return [first]
        marks = self._tokenizer.tokens(QUERY.rstrip())
        found = self._tokenizer.tokens(QUERY + tail(valid, self._readable_max))[len(marks) :]
        return [first, [self._begin, *marks, *found[len(marks) - self._inner_max :], self._end]]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an array (texts, 384) of unit vectors, each text taken for a query."""
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for place, text in enumerate(texts):
            vectors[place] = self.vector(text)
        return vectors

    def encode_ends(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an array (texts, 384), each text taken for a query.

        Where `encode` would not read all of a text, it is the mean of that vector and of the text's last part's, which
        takes twice the time.
        """
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for place, text in enumerate(texts):
            vectors[place] = np.mean([self._vector(tokens) for tokens in self.tokens_of_ends(text)], axis=0)
        return vectors

    def vector(self, text: str, prefix: str = QUERY) -> NDArray[np.float32]:
        """Return the unit vector of one text, 384 numbers."""
        return self._vector(self.tokens(text, prefix))

    def _vector(self, tokens: list[int]) -> NDArray[np.float32]:
        embedded = unpacked(self._token_blocks[tokens]) + self._positions[: len(tokens)]
        (pooled,) = self._graph.run(None, {"embedded": embedded[None]})
        vector: NDArray[np.float32] = pooled[0]
        return vector / np.linalg.norm(vector)


def _arrays(weights: E5Weights) -> Arrays:
    """The tokenizer, and what a token's place in a text adds to its vector."""
    words = weights.vocabulary
    folding = words.folding
    start = weights.start("emb.word")
    return {
        **index_of(words.pieces, words.lengths, words.scores, words.special).arrays(),
        "numbers": np.array([words.begin, words.end, words.unknown, start], dtype=np.int64),
        "folding.codes": np.array(list(folding), dtype=np.uint32),
        "folding.lengths": np.array([len(text) for text in folding.values()], dtype=np.uint8),
        "folding.texts": np.frombuffer("".join(folding.values()).encode("utf-32-le"), dtype=np.uint32),
        "positions": weights.floats("emb.pos").reshape(-1, DIMENSIONS) + weights.floats("emb.type")[:DIMENSIONS],
    }


def _tensors(weights: E5Weights) -> Iterator[tuple[str, NDArray[Any]]]:
    """The graph's tensors by the names that it has for them: ``tools/e5_graph.py``."""
    yield "emb.ln.w", weights.floats("emb.ln.w")
    yield "emb.ln.b", weights.floats("emb.ln.b")
    for number in range(LAYERS):
        layer = f"l{number}"
        attention = [unpacked(weights.blocks(f"{layer}.{part}.w", DIMENSIONS)) for part in "qkv"]
        yield from _eight_bit(f"{layer}.qkv", np.vstack(attention))
        yield f"{layer}.qkv.b", np.concatenate([weights.floats(f"{layer}.{part}.b") for part in "qkv"])
        for part, columns in (("ao", DIMENSIONS), ("fi", DIMENSIONS), ("fo", INNER)):
            yield from _eight_bit(f"{layer}.{part}", unpacked(weights.blocks(f"{layer}.{part}.w", columns)))
            yield f"{layer}.{part}.b", weights.floats(f"{layer}.{part}.b")
        for part in ("aln.w", "aln.b", "oln.w", "oln.b"):
            yield f"{layer}.{part}", weights.floats(f"{layer}.{part}")


def _eight_bit(name: str, matrix: NDArray[np.float32]) -> Iterator[tuple[str, NDArray[Any]]]:
    """A matrix (outputs, inputs) as whole numbers (inputs, outputs), and what one of them is worth by output."""
    scales = np.abs(matrix).max(axis=1) / 127
    yield f"{name}.w", np.ascontiguousarray(np.rint(matrix / scales[:, None]).astype(np.int8).T)
    yield f"{name}.s", scales.astype(np.float32)
