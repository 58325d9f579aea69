"""A model with a field of each kind, for forms: it says its input again."""

from typing import Any, ClassVar

from ml_service.runtime.author import Model


class Survey(Model):
    name = "survey"
    version = "1.0.0"
    price_credits = 2
    description = "Says <b>its input</b> again."
    input_schema: ClassVar = {
        "type": "object",
        "properties": {
            "comment": {"type": "string", "maxLength": 100},
            "color": {"enum": ["red", "green"], "description": "Which one?"},
            "count": {"type": "integer", "minimum": 1},
            "sure": {"type": "boolean"},
        },
        "required": ["color", "count", "sure"],
        "additionalProperties": False,
    }
    output_schema: ClassVar = {"type": "object"}

    def predict(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Echoes."""
        return [{"said": each} for each in inputs]
