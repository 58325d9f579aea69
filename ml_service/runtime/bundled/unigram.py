"""The tokenizer of XLM-RoBERTa, which e5 uses: SentencePiece's unigram model, from its pieces and their scores.

A quarter of a million pieces as Python strings, or in a general tokenizer's trie, would take 40 to 100 MB in each
process. Here they are two sorted arrays, 3 MB: a piece is found by the hash of its characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ml_service.runtime.bundled.shared_arrays import Arrays

Hashes = NDArray[np.uint64]

_WORD_START = "▁"  # what SentencePiece writes for a space; in these pieces it stands only at the beginning
# Odd, so that its powers can be divided by: the hash of a run of characters is then that of any other place.
_BASE = 0x9E3779B97F4A7C15
# An unknown character costs this much more than the least likely piece (SentencePiece's own constant).
_UNKNOWN_PENALTY = 10.0


class PieceIndex(NamedTuple):
    """Pieces by the hash of their characters: arrays that processes can share.

    Attributes:
        hashes: Of the pieces, ascending.
        tokens: Which piece each of them is.
        scores: The logarithm of each piece's probability, by token.
        longest: The characters of the longest piece.
    """

    hashes: Hashes
    tokens: NDArray[np.int32]
    scores: NDArray[np.float32]
    longest: int

    @classmethod
    def of_arrays(cls, arrays: Arrays) -> PieceIndex:
        """Return the index that `arrays` was called on."""
        (longest,) = arrays["pieces.longest"]
        return cls(arrays["pieces.hashes"], arrays["pieces.tokens"], arrays["pieces.scores"], int(longest))

    def arrays(self) -> Arrays:
        """Return it as arrays by name."""
        return {
            "pieces.hashes": self.hashes,
            "pieces.tokens": self.tokens,
            "pieces.scores": self.scores,
            "pieces.longest": np.array([self.longest]),
        }


def index_of(
    pieces: str, lengths: NDArray[np.int64], scores: NDArray[np.float32], special: tuple[int, ...] = ()
) -> PieceIndex:
    """Index pieces.

    Args:
        pieces: The characters of all pieces, one after the other.
        lengths: How many of them are each piece's, by token; none has a space inside.
        scores: The logarithm of each piece's probability.
        special: Tokens whose pieces are never found in a text.
    """
    hashes = hashes_of(pieces, lengths)
    kept = np.delete(np.arange(len(lengths)), special)
    order = kept[np.argsort(hashes[kept])]
    return PieceIndex(hashes[order], order.astype(np.int32), scores, int(lengths.max()))


def hashes_of(pieces: str, lengths: NDArray[np.int64]) -> Hashes:
    """Return the hash of each piece; ``pieces`` are their characters, one after the other."""
    stops = np.cumsum(lengths)
    codes = _codes(pieces)
    powers, inverses = _powers(len(codes) + 1)
    sums = _sums(codes, powers)
    hashes: Hashes = (sums[stops] - sums[stops - lengths]) * inverses[stops - lengths]
    return hashes


class UnigramTokenizer:
    """Splits a text into the most probable sequence of pieces."""

    def __init__(self, index: PieceIndex, folding: Mapping[int, str | int], *, unknown: int, chars_max: int) -> None:
        """Take what it needs.

        Args:
            index: The pieces.
            folding: What becomes of a character before the text is split (SentencePiece's NFKC map).
            unknown: The token of a character that no piece has.
            chars_max: The longest text that `tokens` will get.
        """
        self._hashes, self._tokens, self._scores, self._chars_max = index
        self._folding = folding
        self._unknown = unknown
        self._unknown_score = float(self._scores.min()) - _UNKNOWN_PENALTY
        # Folding makes up to 18 characters of one; a longer text is cut.
        self._folded_max = 4 * chars_max
        self._powers, self._inverses = (each.copy() for each in _powers(self._folded_max + 1))

    def tokens(self, text: str) -> list[int]:
        """Return the tokens of `text`, which must be valid Unicode; without any special ones."""
        folded = " ".join(text.translate(self._folding).split(" "))
        while "  " in folded:
            folded = folded.replace("  ", " ")
        return self.tokens_of_marked((folded if folded.startswith(" ") else f" {folded}").replace(" ", _WORD_START))

    def tokens_of_marked(self, text: str) -> list[int]:
        """Return the tokens of a text that has been folded, with a mark for each space."""
        readable = text[: self._folded_max]
        return self._most_probable(len(readable), *self._found(readable))

    def _found(self, text: str) -> tuple[list[int], list[int], list[int], list[float]]:
        """Find each piece at each place: starts (ascending), stops, tokens, scores."""
        codes = _codes(text)
        size = len(codes)
        sums = _sums(codes, self._powers)
        places = np.arange(size)
        # No piece has a word's beginning inside: from each place up to the next one.
        begins = np.append(np.flatnonzero(codes == _codes(_WORD_START)), size)
        limits = begins[np.searchsorted(begins, places, side="right")]
        lengths = np.minimum(limits - places, self._chars_max)
        starts = np.repeat(places, lengths)
        stops = starts + np.arange(1, len(starts) + 1) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        hashes = (sums[stops] - sums[starts]) * self._inverses[starts]
        at = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        hit = np.flatnonzero(self._hashes[at] == hashes)
        tokens = self._tokens[at[hit]]
        return starts[hit].tolist(), stops[hit].tolist(), tokens.tolist(), self._scores[tokens].tolist()

    def _most_probable(
        self, size: int, starts: list[int], stops: list[int], tokens: list[int], scores: list[float]
    ) -> list[int]:
        """Viterbi's algorithm: the best way to each place, then back from the end."""
        best = [0.0] + [float("-inf")] * size
        came_from = [0] * (size + 1)
        by = [self._unknown] * (size + 1)
        at = 0
        for place in range(size):
            score = best[place]
            while at < len(starts) and starts[at] == place:
                stop = stops[at]
                if score + scores[at] > best[stop]:
                    best[stop], came_from[stop], by[stop] = score + scores[at], place, tokens[at]
                at += 1
            if score + self._unknown_score > best[place + 1]:
                best[place + 1], came_from[place + 1] = score + self._unknown_score, place
                by[place + 1] = self._unknown
        found = []
        place = size
        while place > 0:
            found.append(by[place])
            place = came_from[place]
        return found[::-1]


def _codes(text: str) -> NDArray[Any]:
    # Not from 0 on: the hash of a run would not tell whether NUL stands at its end.
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4").astype(np.uint64) + np.uint64(1)


def _sums(codes: Hashes, powers: Hashes) -> Hashes:
    """Sums of code × base^place up to each place, modulo 2^64: a run's hash is a difference of two of them."""
    sums = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.cumsum(codes * powers[: len(codes)], out=sums[1:])
    return sums


def _powers(count: int) -> tuple[Hashes, Hashes]:
    """The base's powers and their inverses, modulo 2^64."""
    both = []
    for base in (_BASE, pow(_BASE, -1, 1 << 64)):
        factors = np.full(count, base, dtype=np.uint64)
        factors[0] = 1
        both.append(np.cumprod(factors))
    return both[0], both[1]
