"""A model in an ONNX file, `model.onnx` beside this one: here, which kind of iris a flower is.

Put your own file in its place, have `weights.json` name it (`python3 start.py --cli models manifest NAME`), and put the
fields of its input and output into `Flower` and `Answer`.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from ml_service.runtime.author import Model

KINDS = ("setosa", "versicolor", "virginica")  # in the order of the outputs
Length = Annotated[float, Field(gt=0, le=30)]


class Flower(BaseModel):
    sepal_length_cm: Length
    sepal_width_cm: Length
    petal_length_cm: Length
    petal_width_cm: Length


class Answer(BaseModel):
    label: Literal["setosa", "versicolor", "virginica"]
    confidence: float
    scores: dict[str, float]


class Onnx(Model):
    name = "onnx"  # the folder's name, lower case
    version = "1.0.0"
    price_credits = 1
    description = "Says which of three kinds of iris a flower is, from four lengths."
    examples = [{"sepal_length_cm": 5.1, "sepal_width_cm": 3.5, "petal_length_cm": 1.4, "petal_width_cm": 0.2}]
    batch_size = 64

    def load(self) -> None:
        import numpy as np
        import onnxruntime

        self.numpy = np
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # one process per core beats many threads in one
        self.session = onnxruntime.InferenceSession(
            str(self.weights("model.onnx")), options, providers=["CPUExecutionProvider"]
        )

    def predict(self, inputs: list[Flower]) -> list[Answer]:
        rows = [list(flower.model_dump().values()) for flower in inputs]
        (found,) = self.session.run(["probabilities"], {"features": self.numpy.array(rows, self.numpy.float32)})
        return [answer(row) for row in found.tolist()]


def answer(row: list[float]) -> Answer:
    scores = {kind: round(score, 4) for kind, score in zip(KINDS, row, strict=True)}
    label = max(scores, key=scores.__getitem__)
    return Answer(label=label, confidence=scores[label], scores=scores)
