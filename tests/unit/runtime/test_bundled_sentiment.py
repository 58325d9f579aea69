"""The default model, with its real weights."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import jsonschema_rs
import numpy as np
import pytest

from ml_service.runtime.bundled.ngrams import buckets, tokens
from ml_service.runtime.bundled.sentiment.model import Sentiment
from ml_service.runtime.bundled.sentiment_fast.model import SentimentFast
from ml_service.runtime.bundled.sentiment_scores import three_way
from ml_service.runtime.host.declarations import spec_of

HERE = Path(__file__).parent
AWKWARD = [
    " ",
    "\n\t",
    "🙂",
    "👍🏽👍🏽",
    ".",
    "0",
    "a",
    "ё" * 5000,
    "good \ud83d bad",
    "\ud83d\ude00",
    "\0",
    "ﬁne",
    "слово " * 800,
]


@pytest.fixture(scope="module")
def sentiment() -> Sentiment:
    model = Sentiment()
    model.load()
    return model


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Доставили вовремя, всё отлично!", "positive"),
        ("Спасибо большое, мне очень понравилось", "positive"),
        ("Great phone, works perfectly and I love it", "positive"),
        ("Ужасный сервис, никому не советую", "negative"),
        ("Terrible, broke after a day", "negative"),
        ("The parcel arrives on Tuesday", "neutral"),
    ],
)
def test_plain_sentences_get_the_label_that_anybody_would_give(sentiment: Sentiment, text: str, label: str) -> None:
    (output,) = sentiment.predict([{"text": text}])
    assert output["label"] == label


def test_quality_on_our_own_sentences_stays_above_its_floor_in_both_languages(sentiment: Sentiment) -> None:
    rows = [line.split("\t") for line in (HERE / "sentiment_floor.tsv").read_text("utf-8").splitlines()]
    answers = sentiment.predict([{"text": text} for _, _, text in rows])
    for language in ("ru", "en"):
        mine = [(label, answer) for (spoken, label, _), answer in zip(rows, answers, strict=True) if spoken == language]
        polar = [(label, answer) for label, answer in mine if label in {"positive", "negative"}]
        other = {"positive": "negative", "negative": "positive"}
        assert _share(answer["scores"][label] > answer["scores"][other[label]] for label, answer in polar) >= 0.94
        assert _share(answer["label"] == "neutral" for _, answer in polar) <= 0.15
        assert _share(answer["label"] == "neutral" for label, answer in mine if label == "neutral") >= 0.7
        assert all(answer["label"] != "negative" for label, answer in mine if label == "not-negative")


def test_how_a_long_review_ends_decides_where_its_beginning_says_nothing(sentiment: Sentiment) -> None:
    beginning = "В среду мы приехали в город, поселились в гостинице и пошли ужинать в ресторан. " * 10
    endings = ("Всё было ужасно, никому не советую, деньги на ветер!", "Всё было прекрасно, всем советую, спасибо!")
    worse, better = sentiment.predict([{"text": beginning + ending} for ending in endings])
    (plain,) = sentiment.predict([{"text": beginning}])
    assert worse["scores"]["positive"] < plain["scores"]["positive"] < better["scores"]["positive"]


def test_the_schema_of_the_fast_models_version_is_the_one_that_was_released() -> None:
    text = SentimentFast.input_schema["properties"]["text"]
    assert text["description"] == "The text, in Russian or English; the first 400 to 500 characters weigh most."


def _share(held: Iterable[bool]) -> float:
    return float(np.mean(list(held)))


def test_every_output_fits_the_schema_whatever_the_text(sentiment: Sentiment) -> None:
    validator = jsonschema_rs.Draft202012Validator(Sentiment.output_schema)
    for output in sentiment.predict([{"text": text} for text in AWKWARD]):
        validator.validate(output)
        assert sum(output["scores"].values()) == pytest.approx(1, abs=2e-4)
        assert output["confidence"] == max(output["scores"].values())


def test_an_answer_is_the_same_whatever_stands_beside_it_in_the_batch(sentiment: Sentiment) -> None:
    inputs = [{"text": text} for text in ["Отлично", "Never again", *AWKWARD, "The shop opens at nine"]]
    together = sentiment.predict(inputs)
    for one, expected in zip(inputs, together, strict=True):
        (alone,) = sentiment.predict([one])
        assert alone == expected


def test_the_fast_model_gives_plain_sentences_their_label_alone_as_in_a_batch() -> None:
    model = SentimentFast()
    model.load()
    expected = {
        "Доставили вовремя, всё отлично!": "positive",
        "Ужасный сервис, никому не советую": "negative",
        "Great phone, works perfectly and I love it": "positive",
        "Terrible, broke after a day": "negative",
    }
    inputs = [{"text": text} for text in [*expected, *AWKWARD]]
    outputs = model.predict(inputs)
    assert [output["label"] for output in outputs[: len(expected)]] == list(expected.values())
    validator = jsonschema_rs.Draft202012Validator(SentimentFast.output_schema)
    for one, output in zip(inputs, outputs, strict=True):
        validator.validate(output)
        (alone,) = model.predict([one])
        assert alone["scores"] == pytest.approx(output["scores"], abs=2e-3)


def test_what_it_declares_can_be_announced() -> None:
    assert spec_of(Sentiment).name == "sentiment"


def test_a_text_is_folded_before_it_is_hashed() -> None:
    assert tokens("Ещё @user ЛУУУУЧШЕ, чем https://a.b/c 1999!!!!") == [
        "еще", "§", "лууучше".replace("ууу", "уу"), ",", "чем", "§", "0", "!", "!",
    ]  # fmt: skip


def test_the_buckets_of_a_text_never_change_because_weights_depend_on_them() -> None:
    assert buckets("ab").tolist() == [75701, 138693, 182615, 221153, 248200, 254350, 254684]
    assert buckets("").tolist() == []


def test_finding_buckets_imports_nothing_large() -> None:
    program = "import sys; from ml_service.runtime.bundled.ngrams import buckets; buckets('fine'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "numpy.ma" not in done.stdout.split()


def test_without_evidence_positive_and_negative_are_equally_probable() -> None:
    (row,) = three_way(np.array([0.0]), np.array([1.0]))
    assert row[0] == pytest.approx(row[2])
    assert row[1] > row[0]
    assert np.isfinite(three_way(np.array([-1e9, 1e9]), np.array([0.0, 1e9]))).all()
