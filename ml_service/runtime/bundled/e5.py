"""multilingual-e5-small: a text's meaning as 384 numbers, by an 8-bit graph on ONNX Runtime."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read at import; for tools, where no worker has set it
import onnxruntime

from ml_service.runtime.bundled.e5_weights import DIMENSIONS, FILE, INNER, LAYERS, E5Weights, unpacked
from ml_service.runtime.bundled.shared_arrays import Arrays, shared_arrays
from ml_service.runtime.bundled.text import head, without_lone_surrogates
from ml_service.runtime.bundled.unigram import UnigramTokenizer, index_of

GRAPH_FILE = Path(__file__).with_name("e5_graph.onnx")
CHARS_MAX = 600
# The time grows with the tokens; 128 are some 400 characters of Russian, 500 of English.
TOKENS_MAX = 128
TOKENS_KNOWN = 512
# Of `_tensors` as a file: a change there changes it.
TENSORS_SHA256 = "4538206e6bce1f5f3a18cd97f5d618609f55fa89ae5d37ac8dd53ec4c7d08834"
# The model was trained with one of these before every text.
QUERY, PASSAGE = "query: ", "passage: "


class E5Encoder:
    """Turns texts into unit vectors: about 8 ms for 100 characters, and 100 MB.

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
        weights = E5Weights(files(FILE))
        self._readable_max, self._tokens_max = chars_max, tokens_max
        vocabulary = weights.vocabulary
        self._begin, self._end = vocabulary.begin, vocabulary.end
        self._tokenizer = UnigramTokenizer(
            index_of(vocabulary.pieces, vocabulary.lengths, vocabulary.scores, vocabulary.special),
            vocabulary.folding,
            unknown=vocabulary.unknown,
            chars_max=chars_max + len(PASSAGE),
        )
        self._token_blocks = weights.blocks("emb.word", DIMENSIONS)
        positions = weights.floats("emb.pos").reshape(-1, DIMENSIONS)[:tokens_max]
        self._positions = positions + weights.floats("emb.type")[:DIMENSIONS]
        # The graph keeps pointers into these arrays, so they live as long as it does.
        self._tensors = shared_arrays("e5", TENSORS_SHA256, lambda: dict(_tensors(weights)))
        self._graph = _session(self._tensors.arrays)
        # It computes with copies in an order of its own, and of the weights only tokens are read from now on.
        self._tensors.give_back()
        weights.give_back()
        # The first text takes 8 MB for a moment, which a model's process gives back if it is while it loads.
        self.vector("warm up")

    def tokens(self, text: str, prefix: str = QUERY) -> list[int]:
        """Return the tokens of what is read of `text`, with those that begin and end it."""
        readable = head(without_lone_surrogates(text), self._readable_max)
        return [self._begin, *self._tokenizer.tokens(prefix + readable)[: self._tokens_max - 2], self._end]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return an array (texts, 384) of unit vectors, each text taken for a query."""
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for place, text in enumerate(texts):
            vectors[place] = self.vector(text)
        return vectors

    def vector(self, text: str, prefix: str = QUERY) -> NDArray[np.float32]:
        """Return the unit vector of one text, 384 numbers."""
        return self._vector(self.tokens(text, prefix))

    def _vector(self, tokens: list[int]) -> NDArray[np.float32]:
        embedded = unpacked(self._token_blocks[tokens]) + self._positions[: len(tokens)]
        (pooled,) = self._graph.run(None, {"embedded": embedded[None]})
        vector: NDArray[np.float32] = pooled[0]
        return vector / np.linalg.norm(vector)


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


def _session(tensors: Arrays) -> Any:
    options = onnxruntime.SessionOptions()
    # One thread: a worker has a process per model, and texts are too short to share among cores.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(tensor) for tensor in tensors.values()]
    options.add_external_initializers(list(tensors), values)
    return onnxruntime.InferenceSession(str(GRAPH_FILE), options, providers=["CPUExecutionProvider"])
