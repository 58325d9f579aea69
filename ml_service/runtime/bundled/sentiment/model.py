"""Sentiment of Russian and English texts: the default model. What it can and cannot do: MODEL_CARD.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ml_service.runtime.author import JsonObject, Model
from ml_service.runtime.bundled.text import text_input

if TYPE_CHECKING:
    from ml_service.runtime.bundled.sentiment.classifier import SentimentClassifier

# In the order of the classifier's columns.
LABELS = ("negative", "neutral", "positive")
_PROBABILITY: JsonObject = {"type": "number", "minimum": 0, "maximum": 1}


class Sentiment(Model):
    """Linear scores of e5-small vectors and of hashed n-grams, calibrated on sets that were left out."""

    name = "sentiment"
    version = "2.1.0"
    price_credits = 1
    description = (
        "Says whether a Russian or English text is positive, neutral or negative, and how sure it is. Made for "
        "reviews, comments and messages of one to a few sentences. It also answers neutral where it cannot tell. "
        "Sarcasm and double negation («Не плохо») mislead it."
    )
    descriptions: ClassVar[dict[str, str]] = {
        "ru": "Определяет тональность текста на русском или английском — положительная, нейтральная или отрицательная "
        "— и показывает, насколько модель в ней уверена. Для отзывов, комментариев и сообщений в одно или несколько "
        "предложений. «Нейтральный» модель отвечает и тогда, когда трудно сказать. Сарказм и двойное "
        "отрицание («Не плохо») сбивают её с толку."
    }
    input_schema: ClassVar[JsonObject] = text_input(
        "The text, in Russian or English; of a long one, the first and the last 400 to 500 characters weigh most."
    )
    output_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            "label": {"enum": list(reversed(LABELS)), "description": "The most probable of the three."},
            "confidence": {**_PROBABILITY, "description": "The label's own score."},
            "scores": {
                "type": "object",
                "properties": dict.fromkeys(reversed(LABELS), _PROBABILITY),
                "required": list(reversed(LABELS)),
                "additionalProperties": False,
                "description": "A probability for each label; they sum to 1.",
            },
        },
        "required": ["label", "confidence", "scores"],
        "additionalProperties": False,
    }
    examples: ClassVar[list[JsonObject]] = [
        {"text": "Доставили вовремя, всё отлично!"},
        {"text": "Terrible, broke after a day"},
        {"text": "The parcel arrives on Tuesday"},
    ]
    batch_size = 16  # texts are computed one by one: a larger batch would only keep others waiting
    _classifier: SentimentClassifier

    def load(self) -> None:
        """Read the weights.

        Raises:
            WrongWeights: A file was changed, or a package with weights is missing.
        """
        from ml_service.runtime.bundled.sentiment.classifier import SentimentClassifier  # noqa: PLC0415

        self._classifier = SentimentClassifier(self.weights)

    def predict(self, inputs: list[JsonObject]) -> list[JsonObject]:
        """Answer a batch; see `Model.predict`."""
        rows = self._classifier.probabilities([each["text"] for each in inputs]).round(4).tolist()
        return [output_of(dict(zip(LABELS, row, strict=True))) for row in rows]


def output_of(scores: dict[str, float]) -> JsonObject:
    """Return an output from the probabilities by label, in the order of `LABELS`."""
    label = max(scores, key=scores.__getitem__)
    return {
        "label": label,
        "confidence": scores[label],
        "scores": {each: scores[each] for each in reversed(LABELS)},
    }
