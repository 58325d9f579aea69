"""How many predictions of batches to keep on their way: enough that no worker idles, few enough that nobody waits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

BATCHES_PER_WORKER = 2
"""One that the model computes and one that waits for it: with fewer, a worker would idle between two looks."""
IDS_MAX = 32_768
MESSAGES_PER_WORKER = 4
AHEAD_LOOKS = 1.5
"""So many looks' work is on its way: what ends until the next look, and half of that for late looks. Where
all of it has ended by then, the workers can do more, and this makes the window grow."""
NEWEST_WEIGHT = 0.5
"""Weight of the last look in the running means."""
IDLE_S = 2.0
"""After so long without a look nothing is known of how fast the workers are: it may be another model's turn."""
FORGET_AFTER_S = 120.0
"""Messages without an answer for so long are no longer counted if later ones have been answered, or none at all for so
long; the sweeper finds out what happened to them. What waits for a slow model is in its turn, however long that takes:
more of it would only stand before others' single predictions."""


@dataclass(slots=True)
class FeedWindow:
    """The send window of one pool: what its workers finished between two looks, and a little more.

    The last prediction of each message is its sample: when that one has ended, the message counts as done. A single
    prediction waits behind at most this much in the queue.

    Attributes:
        size: How many predictions should be on their way.
    """

    size: int = 0
    _on_their_way: dict[UUID, tuple[int, float]] = field(default_factory=dict)
    _done_per_look: float = 0.0
    _looked_at: float = 0.0
    _answered_at: float = -math.inf
    _last_answered: float = -math.inf  # when that of those answered was sent which was sent last

    @property
    def samples(self) -> list[UUID]:
        """One prediction of each message on its way."""
        return list(self._on_their_way)

    def keep(self, under_way: set[UUID], ended: set[UUID], now_s: float) -> int:
        """Forget the messages whose sample is not ``under_way``; returns of how many predictions those that ended were.

        Only what has ended says how fast the workers are: what is to be sent again, or was dropped, has not been done.
        """
        was_idle = not self._on_their_way
        answered = [sent for sample, sent in self._on_their_way.items() if sample in ended]
        if answered or was_idle:
            self._answered_at = now_s
        self._last_answered = max([self._last_answered, *(at for _, at in answered)])
        self._on_their_way = {
            sample: (ids, at)
            for sample, (ids, at) in self._on_their_way.items()
            if sample in under_way and not self._is_lost(at, now_s)
        }
        done = sum(ids for ids, _ in answered)
        if now_s - self._looked_at > IDLE_S:
            self._done_per_look = 0.0
        elif not was_idle:
            self._done_per_look += (done - self._done_per_look) * NEWEST_WEIGHT
        self._looked_at = now_s
        return done

    def _is_lost(self, sent_at: float, now_s: float) -> bool:
        is_overtaken = sent_at < self._last_answered or now_s - self._answered_at >= FORGET_AFTER_S
        return is_overtaken and now_s - sent_at >= FORGET_AFTER_S

    @property
    def _ids(self) -> int:
        return sum(ids for ids, _ in self._on_their_way.values())

    def next(self, workers: int, batch_size: int) -> tuple[int, int]:
        """What to send now: how many predictions (0 or more), and how many of them in each message."""
        workers = max(1, workers)
        wanted = round(self._done_per_look * AHEAD_LOOKS)
        self.size = min(max(wanted, BATCHES_PER_WORKER * batch_size * workers), IDS_MAX)
        ids_per_message = min(batch_size, max(1, self.size // (MESSAGES_PER_WORKER * workers)))
        return max(0, self.size - self._ids), ids_per_message

    def sent(self, ids: Sequence[UUID], ids_per_message: int, now_s: float) -> None:
        """Note what was sent."""
        for start in range(0, len(ids), ids_per_message):
            message = ids[start : start + ids_per_message]
            self._on_their_way[message[-1]] = (len(message), now_s)
