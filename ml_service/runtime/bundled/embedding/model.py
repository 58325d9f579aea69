"""A text's meaning as 512 numbers. See MODEL_CARD.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ml_service.runtime.author import JsonObject, Model
from ml_service.runtime.bundled.text import text_input

if TYPE_CHECKING:
    from ml_service.runtime.bundled.encoder import SentenceEncoder


class Embedding(Model):
    """Universal Sentence Encoder, multilingual, version 3."""

    name = "embedding"
    version = "1.0.0"
    price_credits = 2
    description = (
        "Turns a text in one of 16 languages into a vector of 512 numbers and of length 1: texts that mean the same "
        "lie close, across languages too. The product of two vectors is their similarity. For search, grouping "
        "and finding duplicates."
    )
    descriptions: ClassVar[dict[str, str]] = {
        "ru": "Превращает текст на одном из 16 языков в вектор из 512 чисел длины 1: тексты с близким смыслом лежат "
        "рядом, даже на разных языках. Произведение двух векторов — их сходство. Для поиска, группировки и "
        "поиска дубликатов."
    }
    input_schema: ClassVar[JsonObject] = text_input("The text; its first 600 characters count.")
    output_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            "embedding": {
                "type": "array",
                "items": {"type": "number", "minimum": -1, "maximum": 1},
                "minItems": 512,
                "maxItems": 512,
            }
        },
        "required": ["embedding"],
        "additionalProperties": False,
    }
    examples: ClassVar[list[JsonObject]] = [{"text": "Кот спит на диване"}, {"text": "A cat sleeps on the sofa"}]
    batch_size = 64
    _encoder: SentenceEncoder

    def load(self) -> None:
        """Read the encoder's weights, which lie inside its package."""
        from ml_service.runtime.bundled.encoder import SentenceEncoder  # noqa: PLC0415

        self._encoder = SentenceEncoder(self.weights)

    def predict(self, inputs: list[JsonObject]) -> list[JsonObject]:
        """Answer a batch; see `Model.predict`."""
        vectors = self._encoder.encode([each["text"] for each in inputs])
        return [{"embedding": row} for row in vectors.astype(float).round(6).tolist()]
