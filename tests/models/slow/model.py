"""A model for tests that takes 5 ms for each input, as one that computes on a slow machine does."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ml_service.runtime.author import JsonObject, Model

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
SECONDS_PER_INPUT = 0.005


class Slow(Model):
    """Echoes, slowly."""

    name = "slow"
    version = "1"
    description = "Echoes its input after 5 ms of each."
    input_schema = TEXT
    output_schema = TEXT
    batch_size = 64

    def predict(self, inputs: list[JsonObject]) -> Sequence[JsonObject]:
        """Wait, and echo."""
        time.sleep(SECONDS_PER_INPUT * len(inputs))
        return inputs
