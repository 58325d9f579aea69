"""Rate limits as clients see them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One limit, and how much of it is used up.

    Attributes:
        name: Stable, for programs; letters and hyphens.
        hits_max, window_s: So many requests in so many seconds.
        hits: Counted in this window, over all processes.
        seconds_left: Until the window ends.
    """

    name: str
    hits_max: int
    window_s: float
    hits: int
    seconds_left: float

    @property
    def left(self) -> int:
        """Requests that may still come in this window."""
        return max(0, self.hits_max - self.hits)

    @property
    def is_exceeded(self) -> bool:
        """Whether the last request was one too many."""
        return self.hits > self.hits_max


Note = Callable[[RateLimit], None]
"""Takes what a request was counted by, whatever becomes of the request."""


def unnoted(_limit: RateLimit) -> None:
    """For edges whose answers have no headers."""
