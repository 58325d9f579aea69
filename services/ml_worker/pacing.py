"""When a batch that is not full may begin. docs/decisions/0012-pacing.md"""

from __future__ import annotations

import time

PACE_S = 0.025
"""The longest wait between the beginnings of two batches."""
PREDICTION_PACE_S = 0.0004
"""The least wait, for each prediction of the last batch. Where predictions come faster than this, each batch is fuller
than the last one, up to `PACE_S`; where they come more slowly, the wait falls to the time of a commit."""


class Pacing:
    """Lets a batch that is not full wait for the last one's commit: a batch costs as much as a dozen predictions in it.

    The busier the database and the processors, the longer a commit takes, and the fuller batches get; and the faster
    predictions come, the longer a batch waits. On an idle system it waits for some milliseconds, or for nothing.
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
        """Seconds that the next batch should wait for more predictions; asked again when another batch ends. 0 or more.

        After a single prediction it does not wait: they come one at a time.
        """
        if self._began_with <= 1:
            return 0.0
        pace_s = PACE_S if self._uncommitted else min(PACE_S, self._began_with * PREDICTION_PACE_S)
        return max(0.0, self._began_at + pace_s - time.monotonic())
