"""How much of the batches' work to have under way: no worker waits for it, and nobody stands long behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

BATCHES_PER_WORKER = 2
"""One that the model computes and one that waits for it: with less, a worker would be idle between two looks."""
IDS_MAX = 32_768
MESSAGES_PER_WORKER = 4
SOON_S, LATE_S = 0.2, 0.5
LOST_S = 120.0
"""What has no answer after so long is no longer counted; the sweep finds out what became of it."""


@dataclass(slots=True)
class Feeding:
    """The measure for one pool: how many predictions of batches are under way, and how many should be.

    More are sent where most is answered by the next look, fewer where answers come late. Of each message one
    prediction is looked at: the last, which stands for all.

    Attributes:
        window: How many predictions should be under way.
    """

    window: int = 0
    _sent: dict[UUID, tuple[int, float]] = field(default_factory=dict)

    @property
    def looked_at(self) -> list[UUID]:
        """One prediction of each message under way."""
        return list(self._sent)

    def keep(self, still_open: set[UUID], now_s: float) -> None:
        """Forget the messages whose prediction is not among ``still_open``."""
        self._sent = {
            one: (ids, at) for one, (ids, at) in self._sent.items() if one in still_open and now_s - at < LOST_S
        }

    def next(self, now_s: float, workers: int, batch_size: int) -> tuple[int, int]:
        """What to send now: how many predictions, 0 or more, and how many of them in a message."""
        workers = max(1, workers)
        under_way = sum(ids for ids, _ in self._sent.values())
        age_s = max((now_s - at for _, at in self._sent.values()), default=0.0)
        if age_s < SOON_S and under_way <= self.window // 2:
            self.window *= 2
        elif age_s > LATE_S:
            self.window -= self.window // 4
        self.window = min(max(self.window, BATCHES_PER_WORKER * batch_size * workers), IDS_MAX)
        in_message = min(batch_size, max(1, self.window // (MESSAGES_PER_WORKER * workers)))
        return max(0, self.window - under_way), in_message

    def sent(self, ids: Sequence[UUID], in_message: int, now_s: float) -> None:
        """Note what was sent."""
        for start in range(0, len(ids), in_message):
            message = ids[start : start + in_message]
            self._sent[message[-1]] = (len(message), now_s)
