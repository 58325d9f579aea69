"""A text's meaning as 384 numbers, by multilingual-e5-small. See MODEL_CARD.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from ml_service.runtime.author import JsonObject, Model

if TYPE_CHECKING:
    from ml_service.runtime.bundled.e5 import E5Encoder

KINDS = ("query", "passage")
# Enough for 512 tokens, all that the model knows, in Russian and English alike.
_CHARS_MAX = 3_000


class EmbeddingE5(Model):
    """multilingual-e5-small, with the encoder that `sentiment` has."""

    name = "embedding-e5"
    version = "1.0.0"
    price_credits = 2
    description = (
        "Turns a text into a vector of 384 numbers and of length 1, for search: the product of a question's vector "
        "and a passage's says how well the passage answers it. About a hundred languages, across languages too. "
        "Unrelated texts come to .7 to .8: compare products, do not take one for a percentage."
    )
    descriptions: ClassVar[dict[str, str]] = {
        "ru": "Превращает текст в вектор из 384 чисел длины 1 для поиска: произведение вектора вопроса и вектора "
        "отрывка показывает, насколько хорошо отрывок отвечает на вопрос. Около ста языков, в том числе между "
        "языками. У несвязанных текстов оно от 0,7 до 0,8: сравнивайте произведения, процентами их не считайте."
    }
    input_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            "text": {
                "type": "string",
                "minLength": 1,
                "maxLength": 5000,
                "description": "The text; its first 512 tokens count, some 1,600 characters of Russian or 2,000 of "
                "English.",
            },
            "kind": {
                "enum": list(KINDS),
                "default": "query",
                "description": "passage for texts that are to be found; query for what is searched for, and for all "
                "texts where they are only compared with each other.",
            },
        },
        "required": ["text"],
        "additionalProperties": False,
    }
    output_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            "embedding": {
                "type": "array",
                "items": {"type": "number", "minimum": -1, "maximum": 1},
                "minItems": 384,
                "maxItems": 384,
            }
        },
        "required": ["embedding"],
        "additionalProperties": False,
    }
    examples: ClassVar[list[JsonObject]] = [
        {"text": "Как сбросить пароль?"},
        {"text": "Нажмите «Забыли пароль?» на странице входа.", "kind": "passage"},
        {"text": "How do I reset my password?", "kind": "query"},
    ]
    batch_size = 16  # texts are computed one by one: a larger batch would only keep others waiting
    _encoder: E5Encoder

    def load(self) -> None:
        """Read the weights, which lie inside their package.

        Raises:
            WrongWeights: They are missing, or were changed.
        """
        from ml_service.runtime.bundled.e5 import TOKENS_KNOWN, E5Encoder  # noqa: PLC0415

        self._encoder = E5Encoder(self.weights, _CHARS_MAX, TOKENS_KNOWN)

    def predict(self, inputs: list[JsonObject]) -> list[JsonObject]:
        """Answer a batch; see `Model.predict`."""
        from ml_service.runtime.bundled.e5 import PASSAGE, QUERY  # noqa: PLC0415

        prefixes = dict(zip(KINDS, (QUERY, PASSAGE), strict=True))
        vectors = [self._encoder.vector(each["text"], prefixes[each["kind"]]) for each in inputs]
        return [{"embedding": vector.astype(float).round(6).tolist()} for vector in vectors]
