"""The model that costs nothing: it shows what the service itself can do. For benchmarks and tests only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ml_service.runtime.author import JsonObject, Model

TEXT = {
    "type": "object",
    "properties": {"text": {"type": "string", "description": "Comes back as it is."}},
    "required": ["text"],
}


class Echo(Model):
    """Returns its input."""

    name = "echo"
    version = "1"
    description = "Returns its input unchanged. For benchmarks and tests: it measures the service itself."
    descriptions: ClassVar[dict[str, str]] = {
        "ru": "Возвращает то, что ей прислали. Для измерений и тестов: показывает скорость самого сервиса."
    }
    price_credits = 1
    input_schema = TEXT
    output_schema = TEXT
    examples = ({"text": "hello"},)
    batch_size = 256

    def predict(self, inputs: list[JsonObject]) -> Sequence[JsonObject]:
        """Return the inputs."""
        return inputs
