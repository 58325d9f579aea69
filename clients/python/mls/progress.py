"""How far a `map` or a bulk job is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """So many are done.

    Attributes:
        total: None where it is not known beforehand.
        failed: Of those that are done.
        seconds: Since the beginning.
    """

    done: int
    total: int | None
    failed: int
    seconds: float

    @property
    def per_second(self) -> float:
        """The mean rate."""
        return self.done / self.seconds if self.seconds else 0.0


OnProgress = Callable[[Progress], None]
