"""When a batch that is not full may begin. docs/decisions/0012-pacing.md"""

from __future__ import annotations

import time

PACE_S = 0.025
"""The longest wait between the beginnings of two batches."""


class Pacing:
    """Lets a batch that is not full wait for the last one's commit: a batch costs as much as a dozen predictions in it.

    The busier the database and the processors, the longer a commit takes, and the fuller batches get. On an idle system
    a batch waits for some milliseconds, or for nothing.
    """

    def __init__(self) -> None:
        self._uncommitted = 0
        self._began_at = 0.0
        self._began_with = 0

    def begin(self, predictions: int) -> None:
        """A batch of so many begins."""
        self._uncommitted += 1
        self._began_at = time.monotonic()
        self._began_with = predictions

    def end(self) -> None:
        """The answers of a batch are committed, or it has failed."""
        self._uncommitted -= 1

    def wait_s(self) -> float:
        """Seconds that the next batch should wait for more predictions, unless another batch ends before; 0 or more.

        After a single prediction it does not wait: they come one at a time.
        """
        if not self._uncommitted or self._began_with <= 1:
            return 0.0
        return max(0.0, self._began_at + PACE_S - time.monotonic())
