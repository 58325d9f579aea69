"""Who, where and which organization a Russian text names. See MODEL_CARD.md."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, ClassVar

from ml_service.runtime.author import JsonObject, Model
from ml_service.runtime.bundled.entities_ru.spans import TYPES, spans
from ml_service.runtime.bundled.text import text_input

if TYPE_CHECKING:
    from ml_service.runtime.bundled.entities_ru.tagger import Tagger

# JSON cannot carry them back, and no word has them. One character for one: places count those of the input.
_UNREADABLE = re.compile("[\0\ud800-\udfff]")


class EntitiesRu(Model):
    """slovnet's tagger, on the files inside the package natasha."""

    name = "entities-ru"
    version = "1.0.0"
    price_credits = 1
    description = (
        "Finds the persons, places and organizations that a Russian text names, and where they stand in it. Made for "
        "news: finds nine in ten persons, of places and organizations fewer, and less where capitals are missing."
    )
    descriptions: ClassVar[dict[str, str]] = {
        "ru": "Находит в русском тексте имена людей, названия мест и организаций и указывает, где они стоят. Обучена "
        "на новостях: находит девять имён из десяти, мест и организаций — меньше, а без заглавных букв — ещё меньше."
    }
    input_schema: ClassVar[JsonObject] = text_input("The text, in Russian; all of it is read.")
    output_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            "entities": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "type": {"enum": list(TYPES.values())},
                        "text": {"type": "string", "description": "As it stands in the text, in its case."},
                        "start": {
                            "type": "integer",
                            "minimum": 0,
                            "description": "How many characters (Unicode code points) stand before it.",
                        },
                        "end": {"type": "integer", "minimum": 1, "description": "The same, with it."},
                    },
                    "required": ["type", "text", "start", "end"],
                    "additionalProperties": False,
                },
                "description": "In the order of the text; none overlaps another.",
            }
        },
        "required": ["entities"],
        "additionalProperties": False,
        "x-view": "spans",
    }
    examples: ClassVar[list[JsonObject]] = [
        {"text": "Анна Ахматова родилась под Одессой, а жила в Ленинграде."},
        {"text": "Яндекс и МГУ откроют лабораторию в Казани, сообщил Сергей Иванов."},
        {"text": "Завтра обещают дождь."},
    ]
    batch_size = 16  # texts are computed one by one: a larger batch would only keep others waiting
    _tagger: Tagger

    def load(self) -> None:
        """Read the network and the vectors, which lie inside their package.

        Raises:
            WrongWeights: They are missing, or were changed.
        """
        from ml_service.runtime.bundled.entities_ru.tagger import Tagger  # noqa: PLC0415

        self._tagger = Tagger(self.weights)
        self._tagger.tags(["тест"])

    def predict(self, inputs: list[JsonObject]) -> list[JsonObject]:
        """Answer a batch; see `Model.predict`."""
        return [{"entities": self._entities(each["text"])} for each in inputs]

    def _entities(self, text: str) -> list[JsonObject]:
        readable = _UNREADABLE.sub(" ", text)
        tokens = self._tagger.tokens(readable)
        found = spans(tokens, self._tagger.tags([token.text for token in tokens]))
        return [
            {"type": TYPES[span.kind], "text": readable[span.start : span.end], "start": span.start, "end": span.end}
            for span in found
        ]
