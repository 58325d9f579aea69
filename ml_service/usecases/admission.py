"""Admission: the limit of unfinished predictions of everybody together."""

from __future__ import annotations

from ml_service.domain.errors import Overloaded


class Admission:
    """Refuses new work when too much waits, by the last count and by what was accepted since.

    Args:
        open_max: Unfinished predictions of everybody together, beyond which nothing is accepted.
    """

    def __init__(self, open_max: int) -> None:
        self._open_max = open_max
        self._counted = 0
        self.accepted_since = 0

    def counted(self, open_predictions: int, accepted_before: int) -> None:
        """Take a new count of unfinished predictions; ``accepted_before`` of `accepted_since` are part of it."""
        self._counted = open_predictions
        self.accepted_since -= accepted_before

    def admit(self, count: int) -> None:
        """Let ``count`` predictions in; raises Overloaded where too many wait already."""
        if self._counted + self.accepted_since + count > self._open_max:
            raise Overloaded("Too many predictions are waiting; try again in a while.", retry_after_s=5.0)

    def accepted(self, count: int) -> None:
        """Count what was accepted."""
        self.accepted_since += count
