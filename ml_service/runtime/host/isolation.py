"""Which inputs of a batch end a model's process: the plan by which they are found. Pure, no I/O.

When a process dies or hangs on a batch, the batch is cut in two and each half is tried on a fresh process, breadth
first, so that the larger part of the innocent inputs has its answers early. Parts of `ALONE_AT` inputs are no longer
cut but go through the model one by one: the answers that arrive before the death show which input was being answered.

An input is convicted when it was alone in the model, and

* the process died by itself, for the second time while this very input was being answered. A process may also be killed
  from outside, once, and then whatever was there is innocent; that we killed it for its time is no such death; or
* the model took the whole `timeout_s`. In parts the model gets less time at first, so that one that hangs does not
  keep its neighbours waiting; an input that runs out of it is tried alone, last, with all the time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

# Below this, one call per input costs less than another process that dies.
ALONE_AT = 8


@dataclass(frozen=True, slots=True)
class Trial:
    """A part of a batch to try next.

    Attributes:
        places: Which inputs, by their place in the batch.
        one_by_one: The model gets one input at a time.
        full_time: Each call may take all of the model's time.
    """

    places: tuple[int, ...]
    one_by_one: bool
    full_time: bool


class Isolation:
    """The plan for one batch: what to try next, and what a death means."""

    def __init__(self, parts: Sequence[Sequence[int]], *, short_time: bool = True) -> None:
        """Begin with the whole batch.

        Args:
            parts: The places of all inputs, in what is tried together at first: all of them, if they are not too long.
            short_time: Parts that are cut get less time at first. False where the model's time is short anyway.
        """
        self._short_time = short_time
        self._deaths = [0] * sum(map(len, parts))
        """How often the process died by itself while it answered this input."""
        self._attempts = deque(Trial(tuple(one), one_by_one=len(one) == 1, full_time=True) for one in parts)

    def __len__(self) -> int:
        return len(self._attempts)

    def next(self) -> Trial:
        """Take the next attempt."""
        return self._attempts.popleft()

    def remaining(self) -> list[int]:
        """Return the places that are still to be tried."""
        return sorted(place for attempt in self._attempts for place in attempt.places)

    def put_back(self, attempt: Trial) -> None:
        """Undo `next`: the attempt was not made."""
        self._attempts.appendleft(attempt)

    def failed(self, attempt: Trial, unanswered: Sequence[int], *, timed_out: bool) -> int | None:
        """Take in that the process died or ran out of time.

        Args:
            attempt: What was being tried.
            unanswered: The places without an answer, in the attempt's order; at least one.
            timed_out: It was killed for taking too long.

        Returns:
            The place of the input that did it, or None when that is not known yet.
        """
        if attempt.one_by_one:
            return self._suspect(attempt, unanswered, timed_out=timed_out)
        half = (len(unanswered) + 1) // 2 if len(unanswered) > ALONE_AT else len(unanswered)
        self._add(unanswered[:half])
        self._add(unanswered[half:])
        return None

    def _suspect(self, attempt: Trial, unanswered: Sequence[int], *, timed_out: bool) -> int | None:
        suspect, innocent = unanswered[0], unanswered[1:]
        self._deaths[suspect] += not timed_out
        self._add(innocent)
        if attempt.full_time if timed_out else self._deaths[suspect] > 1:
            return suspect
        self._attempts.append(Trial((suspect,), one_by_one=True, full_time=True))
        return None

    def _add(self, places: Sequence[int]) -> None:
        if places:
            alone = len(places) <= ALONE_AT
            self._attempts.append(Trial(tuple(places), one_by_one=alone, full_time=not self._short_time))
