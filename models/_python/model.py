"""A model to copy: `cp -r models/_python models/example`, restart the workers, ask for "example"."""

from typing import Annotated

from pydantic import BaseModel, Field

from ml_service.runtime.author import Model, PredictionFailure


class Answer(BaseModel):
    words: int
    is_question: bool


class Example(Model):
    name = "example"  # the folder's name, lower case
    version = "1.0.0"
    price_credits = 1
    description = "Counts the words of a text and says whether it is a question."
    examples = [{"text": "How many words are here?"}]

    def load(self) -> None:
        """Runs once, in the model's own process. Import heavy libraries and read weights here."""
        self.marks = ("?", "？", "؟")

    def predict(self, text: Annotated[str, Field(min_length=1, max_length=5000)]) -> Answer:
        """Answers one input; its types make the schemas and the form."""
        if not text.strip():
            raise PredictionFailure("The text is empty.")  # this input alone fails, and costs nothing
        return Answer(words=len(text.split()), is_question=text.rstrip().endswith(self.marks))
