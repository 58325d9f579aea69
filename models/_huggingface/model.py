"""A text classifier from Hugging Face, read from a folder: see "From Hugging Face" in docs/models.md.

Put the model's files (config.json, model.safetensors, the tokenizer's) into the folder `weights` beside this file, and
have `weights.json` name them: `python3 start.py --cli models manifest NAME`.
"""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from ml_service.runtime.author import Model, WrongWeights

WEIGHTS = Path(__file__).with_name("weights")
TOKENS_MAX = 256  # beyond it a text is cut: time and memory grow with it


class Text(BaseModel):
    text: Annotated[str, Field(min_length=1, max_length=5000)]


class Answer(BaseModel):
    label: str
    confidence: float
    scores: dict[str, float]


class HuggingFace(Model):
    name = "huggingface"  # the folder's name, lower case
    version = "1.0.0"
    price_credits = 2
    description = "Classifies a text with a model from Hugging Face."
    examples = [{"text": "Доставили вовремя, всё отлично!"}]
    batch_size = 16

    def load(self) -> None:
        """Read the weights from the folder alone: no network, and no code that came with the weights."""
        if not any(WEIGHTS.glob("*.safetensors")):
            raise WrongWeights(
                f"The weights are missing: put them into {WEIGHTS} by the step with `hf download` of docs/models.md, "
                f'"From Hugging Face", then: python3 start.py --cli models manifest {self.name}'
            )
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()

        self._torch = torch
        torch.set_num_threads(1)  # one process per core beats many threads in one
        folder = self.weights(WEIGHTS.name)
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._classifier, read = AutoModelForSequenceClassification.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
        if read["missing_keys"]:  # they would be random numbers, and so would be its answers
            missing = ", ".join(sorted(read["missing_keys"]))
            raise WrongWeights(f"{folder} holds no text classifier: {missing} is missing.")
        self._classifier.eval()

    def predict(self, inputs: list[Text]) -> list[Answer]:
        texts = [each.text.encode("utf-8", "replace").decode() for each in inputs]
        encoded = self._tokenizer(texts, padding=True, truncation=True, max_length=TOKENS_MAX, return_tensors="pt")
        with self._torch.inference_mode():
            rows = self._classifier(**encoded).logits.softmax(dim=-1).tolist()
        names = self._classifier.config.id2label
        return [_output({names[place]: round(score, 4) for place, score in enumerate(row)}) for row in rows]


def _output(scores: dict[str, float]) -> Answer:
    label = max(scores, key=scores.__getitem__)
    return Answer(label=label, confidence=scores[label], scores=scores)
