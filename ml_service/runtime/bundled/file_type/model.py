"""What kind of file some bytes are. See MODEL_CARD.md."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, ClassVar

from ml_service.runtime.author import JsonObject, Model, PredictionFailure

if TYPE_CHECKING:
    from ml_service.runtime.bundled.file_type.detector import Detector

# In base64 60,000 characters, which INPUT_BYTES_MAX (65,536) lets through as JSON.
_BYTES_MAX = 45_000
_WORD: JsonObject = {"type": "string"}
_PYTHON_EXAMPLE = b"""\
import sys


def main(names: list[str]) -> None:
    for name in names:
        print(f"Hello, {name}!")


if __name__ == "__main__":
    main(sys.argv[1:])
"""
# A transparent dot.
_GIF_EXAMPLE = bytes.fromhex("4749463839610100010080000000000000ffffff21f90401000000002c000000000100010000020144003b")


class FileType(Model):
    """Magika's standard model, from the package magika."""

    name = "file-type"
    version = "1.0.0"
    price_credits = 1
    description = (
        "Says what kind of file some bytes are, whatever the file is called: one of some 200 kinds of documents, "
        "images, archives, programs, source code and data. For files of up to 45,000 bytes."
    )
    descriptions: ClassVar[dict[str, str]] = {
        "ru": "Определяет по содержимому, что это за файл, как бы он ни назывался: один из примерно 200 видов "
        "документов, изображений, архивов, программ, исходного кода и данных. Для файлов до 45 000 байт."
    }
    input_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            "content": {
                "type": "string",
                "contentEncoding": "base64",
                "minLength": 4,
                "maxLength": _BYTES_MAX * 4 // 3,
                "description": "The file's bytes, as base64.",
            }
        },
        "required": ["content"],
        "additionalProperties": False,
    }
    output_schema: ClassVar[JsonObject] = {
        "type": "object",
        "properties": {
            "label": {**_WORD, "description": "Its kind, such as png or python; unknown or txt where it cannot tell."},
            "confidence": {
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "description": "How sure the network is; 1 where a rule answers, as for less than 8 bytes.",
            },
            "description": {**_WORD, "description": "The kind in English words."},
            "mime_type": _WORD,
            "group": {**_WORD, "description": "archive, audio, code, document, executable, image, text, video, …"},
            "extensions": {"type": "array", "items": _WORD, "description": "Usual endings of such files' names."},
            "is_text": {"type": "boolean"},
        },
        "required": ["label", "confidence", "description", "mime_type", "group", "extensions", "is_text"],
        "additionalProperties": False,
        "x-view": "label",
    }
    examples: ClassVar[list[JsonObject]] = [
        {"content": base64.b64encode(content).decode()} for content in (_PYTHON_EXAMPLE, _GIF_EXAMPLE)
    ]
    batch_size = 16  # files are looked at one by one
    _detector: Detector

    def load(self) -> None:
        """Read the network, which lies inside its package; the manifest names its files."""
        from ml_service.runtime.bundled.file_type.detector import Detector  # noqa: PLC0415

        self._detector = Detector()

    def predict(self, inputs: list[JsonObject]) -> list[JsonObject | PredictionFailure]:
        """Answer a batch; see `Model.predict`."""
        return [self._answer(each["content"]) for each in inputs]

    def _answer(self, content: str) -> JsonObject | PredictionFailure:
        try:
            return self._detector.kind_of(base64.b64decode(content, validate=True))
        except (binascii.Error, ValueError):
            return PredictionFailure("The content is not base64.")
