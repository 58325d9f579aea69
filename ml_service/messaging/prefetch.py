"""How many messages a consumer may hold. Brokers count messages; the load is the predictions that they ask for."""

from __future__ import annotations

MESSAGES_MIN = 2
MESSAGES_MAX = 512
WEIGHT = 1 / 8
"""Weight of one message in the running mean of ids per message."""
STEP = 2.0
"""The broker is told a new number once it has grown or shrunk by this factor."""


class Prefetch:
    """A few batches for each consumer: many small messages, or few full ones.

    Args:
        ids_max: Ids that the held messages should have in total; while messages grow they may have more for a moment.
        ids_per_message: The first estimate; the messages that arrive then correct it.
    """

    def __init__(self, ids_max: int, ids_per_message: float | None = None) -> None:
        self.ids_max = ids_max
        self._mean = ids_per_message or max(1.0, ids_max / 8)

    @property
    def messages(self) -> int:
        """How many messages to hold at most, judged by those that have arrived."""
        return min(MESSAGES_MAX, max(MESSAGES_MIN, round(self.ids_max / self._mean)))

    def note(self, ids: int) -> None:
        """Count a message with so many ids."""
        self._mean += (ids - self._mean) * WEIGHT

    def has_moved(self, told: int) -> bool:
        """Whether ``told``, the number the broker knows, is off by more than `STEP`."""
        return not told / STEP < self.messages < told * STEP
