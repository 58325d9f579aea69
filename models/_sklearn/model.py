"""A pipeline of scikit-learn: here, what a message to a shop is, learnt from `texts.csv`.

Put your own data and pipeline into `train.py`, run it, and this model loads the `model.skops` that it writes, once
`python3 start.py --cli models manifest NAME` has put it into `weights.json`.
While there is none, it trains when it is loaded, which takes a moment only while the data is small.
"""

from typing import Annotated

from pydantic import BaseModel, Field
from train import WEIGHTS, train

from ml_service.runtime.author import Model


class Message(BaseModel):
    text: Annotated[str, Field(min_length=1, max_length=5000, examples=["Where is my order?"])]


class Answer(BaseModel):
    label: str
    confidence: float
    scores: dict[str, float]


class Sklearn(Model):
    name = "sklearn"  # the folder's name, lower case
    version = "1.0.0"
    price_credits = 1
    description = "Says whether a message to a shop is a question, a complaint or praise."
    batch_size = 64

    def load(self) -> None:
        if WEIGHTS.exists():
            import skops.io

            # Names of types that you trust, if it asks for any, as for forests and boosting.
            self.pipeline = skops.io.load(self.weights(WEIGHTS.name), trusted=[])
        else:
            self.pipeline = train()
        self.labels = self.pipeline.classes_.tolist()

    def predict(self, inputs: list[Message]) -> list[Answer]:
        rows = self.pipeline.predict_proba([message.text for message in inputs]).round(4).tolist()
        return [answer(dict(zip(self.labels, row, strict=True))) for row in rows]


def answer(scores: dict[str, float]) -> Answer:
    label = max(scores, key=scores.__getitem__)
    return Answer(label=label, confidence=scores[label], scores=scores)
