"""Hashed n-grams of a text: the same in training and in inference, and cheap (0.1 ms for 100 characters).

Word 1- and 2-grams and character 2- to 5-grams fall into `BUCKETS` buckets. There is no vocabulary to ship: a
bucket's number is its place in the weights. A change here changes every number, so weights carry `SCHEME`, and
weights of another scheme are refused.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

SCHEME = "ngrams-1"
BITS = 18
BUCKETS = 1 << BITS
CHARS_MAX = 5_000
"""Beyond it a text is cut. The bundled model's schema already refuses more; this holds for other callers."""

_CHAR_SIZES = (2, 3, 4, 5)
_TOKEN = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*|[^\w\s]")
_LINK = re.compile(r"(?:https?://|www\.)\S+|@\w+")
_LONG_RUN = re.compile(r"(.)\1{2,}")
_DIGITS = re.compile(r"\d+")

# 64-bit constants: the golden ratio's (Knuth's multiplicative hashing) and FNV-1a's prime. The product's high bits
# are the well-mixed ones, so they become the bucket.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_PRIME = np.uint64(0x100000001B3)
_SHIFT = np.uint64(64 - BITS)
_WORD_SEED = np.uint64(0x5851F42D4C957F2D)
_PAIR_SEED = np.uint64(0x14057B7EF767814F)
_SPACE = np.uint64(ord(" "))


def tokens(text: str) -> list[str]:
    """Return the words and punctuation marks of `text`, folded: case, ё, width, links, numbers, long runs."""
    folded = unicodedata.normalize("NFKC", text[:CHARS_MAX]).lower().replace("ё", "е")
    folded = _LONG_RUN.sub(r"\1\1", _DIGITS.sub("0", _LINK.sub(" § ", folded)))
    return _TOKEN.findall(folded)


def buckets(text: str) -> NDArray[np.int64]:
    """Return the sorted distinct buckets of `text`; empty for a text without a word or mark.

    The text must be valid Unicode (`without_lone_surrogates`).
    """
    words = tokens(text)
    if not words:
        return np.empty(0, dtype=np.int64)
    found = _word_hashes(words) + _char_hashes(f" {' '.join(words)} ")
    mixed = (np.concatenate(found) * _GOLDEN) >> _SHIFT
    mixed.sort()
    # Not np.unique: it imports numpy.ma, 1 MiB in each process, and takes ten times as long.
    distinct: NDArray[np.int64] = mixed[np.append(True, mixed[1:] != mixed[:-1])].astype(np.int64)
    return distinct


def _word_hashes(words: list[str]) -> list[NDArray[np.uint64]]:
    crcs = np.fromiter((zlib.crc32(word.encode()) for word in words), dtype=np.uint64, count=len(words))
    pairs = (crcs[:-1] * _PRIME + crcs[1:]) ^ _PAIR_SEED
    return [crcs ^ _WORD_SEED, pairs]


def _char_hashes(padded: str) -> list[NDArray[np.uint64]]:
    """Hash every run of 2 to 5 characters; a space stands only at an end, so that runs stay within a word."""
    codes: NDArray[Any] = np.frombuffer(padded.encode("utf-32-le"), dtype="<u4").astype(np.uint64)
    spaces = codes == _SPACE
    found = []
    rolling = codes
    inner = np.zeros(len(codes), dtype=bool)  # whether the run that starts here has a space inside
    for size in range(2, max(_CHAR_SIZES) + 1):
        if len(codes) < size:
            break
        inner = inner[:-1] | (spaces[size - 2 : -1] if size > 2 else False)  # noqa: PLR2004 - two ends have no inside
        rolling = rolling[:-1] * _PRIME + codes[size - 1 :]
        found.append(rolling[~inner] ^ np.uint64(size))
    return found
