"""How many connections a process has, and which is closed to make room."""

from __future__ import annotations

import time
from typing import Protocol

import structlog

log = structlog.get_logger()

WARN_S = 10.0


class Evictable(Protocol):
    """What the slots know of a connection."""

    def evict(self) -> None:
        """Close at once."""


class ConnectionSlots:
    """Counts the connections of a process, so that none beyond ``connections_max`` takes a descriptor for long.

    The one that makes room has been without a request for longest: it costs its client a new connection, while a
    refused newcomer would be without an answer.
    """

    def __init__(self, connections_max: int) -> None:
        self._max = connections_max
        self._count = 0
        self._waiting: dict[Evictable, None] = {}  # an ordered set, the longest waiting first
        self._warn_at = 0.0

    def enter(self, guest: Evictable) -> bool:
        """Let a new connection in; False where all others are busy and it has to go."""
        self._count += 1
        if self._count <= self._max:
            self._waiting[guest] = None
            return True
        if (now := time.monotonic()) >= self._warn_at:
            self._warn_at = now + WARN_S
            log.warning("too_many_connections", connections_max=self._max, waiting=len(self._waiting))
        first = next(iter(self._waiting), None)
        self._waiting[guest] = None
        if first is None:
            return False
        del self._waiting[first]
        first.evict()
        return True

    def leave(self, guest: Evictable) -> None:
        """A connection is closed."""
        self._count -= 1
        self._waiting.pop(guest, None)

    def busy(self, guest: Evictable) -> None:
        """A request has come."""
        self._waiting.pop(guest, None)

    def waits(self, guest: Evictable) -> None:
        """It has been answered."""
        self._waiting[guest] = None
