"""A model to copy: `cp -r models/_template models/example`, restart the workers, ask for "example"."""

from typing import Any

from ml_service.runtime.model import Model, PredictionFailure


class Example(Model):
    name = "example"  # the folder's name, lower case
    version = "1.0.0"
    price_credits = 1
    description = "Counts the words of a text and says whether it is a question."
    input_schema = {
        "type": "object",
        "properties": {"text": {"type": "string", "minLength": 1, "maxLength": 5000}},
        "required": ["text"],
    }
    output_schema = {
        "type": "object",
        "properties": {"words": {"type": "integer"}, "is_question": {"type": "boolean"}},
        "required": ["words", "is_question"],
    }
    examples = [{"text": "How many words are here?"}]

    def load(self) -> None:
        """Runs once, in the model's own process. Import heavy libraries and read weights here."""
        self.marks = ("?", "？", "؟")

    def predict(self, inputs: list[dict[str, Any]]) -> list[dict[str, Any] | Exception]:
        """Answers a batch: as many outputs, in the same order."""
        return [self._answer(each["text"]) for each in inputs]

    def _answer(self, text: str) -> dict[str, Any] | Exception:
        if not text.strip():
            return PredictionFailure("The text is empty.")  # this input alone fails, and costs nothing
        return {"words": len(text.split()), "is_question": text.rstrip().endswith(self.marks)}
