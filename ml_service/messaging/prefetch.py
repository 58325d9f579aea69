"""How many messages a consumer may hold. Brokers count messages; what matters is the predictions that they ask for."""

from __future__ import annotations

MESSAGES_MIN = 2
MESSAGES_MAX = 512
WEIGHT = 1 / 8
"""Of a message in the running mean of their sizes."""
STEP = 2.0
"""A new number is worth telling the broker when it is so many times the last, or as small a part of it."""


class Prefetch:
    """A few batches for each consumer: many small messages, or few full ones.

    Args:
        ids_max: Ids that the held messages should have together; they may have more for a moment, when messages grow.
        ids_per_message: What is expected at first; then what comes is the measure.
    """

    def __init__(self, ids_max: int, ids_per_message: float | None = None) -> None:
        self.ids_max = ids_max
        self._mean = ids_per_message or max(1.0, ids_max / 8)

    @property
    def messages(self) -> int:
        """How many messages to hold at the most, by what came so far."""
        return min(MESSAGES_MAX, max(MESSAGES_MIN, round(self.ids_max / self._mean)))

    def note(self, ids: int) -> None:
        """A message with so many ids came."""
        self._mean += (ids - self._mean) * WEIGHT

    def has_moved(self, told: int) -> bool:
        """Whether ``told``, what the broker was told last, is far from right."""
        return not told / STEP < self.messages < told * STEP
