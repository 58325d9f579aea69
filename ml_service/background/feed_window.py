"""How many predictions of batches to keep on their way: enough that no worker idles, few enough that nobody waits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

BATCHES_PER_WORKER = 2
"""One that the model computes and one that waits for it: with fewer, a worker would idle between two looks."""
IDS_MAX = 32_768
MESSAGES_PER_WORKER = 4
FAST_S, SLOW_S = 0.2, 0.5
FORGET_AFTER_S = 120.0
"""Messages without an answer for so long are no longer counted; the sweeper finds out what happened to them."""


@dataclass(slots=True)
class FeedWindow:
    """The send window of one pool, like a congestion window.

    It grows while most answers are there by the next look, and shrinks when they are late. The last prediction of each
    message is its sample: when that one has ended, the message counts as done.

    Attributes:
        size: How many predictions should be on their way.
    """

    size: int = 0
    _on_their_way: dict[UUID, tuple[int, float]] = field(default_factory=dict)

    @property
    def samples(self) -> list[UUID]:
        """One prediction of each message on its way."""
        return list(self._on_their_way)

    def keep(self, still_open: set[UUID], now_s: float) -> None:
        """Forget the messages whose sample is not in ``still_open``."""
        self._on_their_way = {
            sample: (ids, at)
            for sample, (ids, at) in self._on_their_way.items()
            if sample in still_open and now_s - at < FORGET_AFTER_S
        }

    def next(self, now_s: float, workers: int, batch_size: int) -> tuple[int, int]:
        """What to send now: how many predictions (0 or more), and how many of them in each message."""
        workers = max(1, workers)
        on_their_way = sum(ids for ids, _ in self._on_their_way.values())
        age_s = max((now_s - at for _, at in self._on_their_way.values()), default=0.0)
        if age_s < FAST_S and on_their_way <= self.size // 2:
            self.size *= 2
        elif age_s > SLOW_S:
            self.size -= self.size // 4
        self.size = min(max(self.size, BATCHES_PER_WORKER * batch_size * workers), IDS_MAX)
        ids_per_message = min(batch_size, max(1, self.size // (MESSAGES_PER_WORKER * workers)))
        return max(0, self.size - on_their_way), ids_per_message

    def sent(self, ids: Sequence[UUID], ids_per_message: int, now_s: float) -> None:
        """Note what was sent."""
        for start in range(0, len(ids), ids_per_message):
            message = ids[start : start + ids_per_message]
            self._on_their_way[message[-1]] = (len(message), now_s)
