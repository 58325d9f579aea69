"""A model that really computes: for each input so many rounds of SHA-256, whose number the benchmark sets."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from ml_service.runtime.author import JsonObject, Model

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


def compute(text: str, rounds: int) -> str:
    """Some milliseconds of work on one core."""
    return hashlib.pbkdf2_hmac("sha256", text.encode(), b"busy", rounds).hex()


class Busy(Model):
    """Keeps one core busy."""

    name = "busy"
    version = "1"
    description = "Computes for some milliseconds for each input. For benchmarks."
    input_schema = TEXT
    output_schema = TEXT
    batch_size = 32

    def load(self) -> None:
        """Read how much to compute."""
        self.rounds = int(os.environ.get("BUSY_ROUNDS", "10000"))

    def predict(self, inputs: list[JsonObject]) -> Sequence[JsonObject]:
        """Compute."""
        return [{"text": compute(one["text"], self.rounds)} for one in inputs]
