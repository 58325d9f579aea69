"""Ids that grow with time: UUIDv7, unique over all processes and ordered within one."""

from __future__ import annotations

import os
import threading
import time
from datetime import UTC, datetime
from uuid import UUID

_ids = threading.Lock()
_last_ms = 0
_counter = 0


def new_id() -> UUID:
    """Make a UUIDv7 (RFC 9562, section 5.7; method 1: a 12-bit counter in ``rand_a``).

    Ids of one process strictly increase, so that a batch keeps its order and index pages fill from the right.
    """
    global _last_ms, _counter  # noqa: PLW0603  the monotonic counter is the process's own
    random = int.from_bytes(os.urandom(10))
    with _ids:
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms = now_ms
            _counter = random >> 70  # leaves room to count up within the millisecond
        else:
            _counter += 1
            if _counter > 0xFFF:  # noqa: PLR2004  twelve bits
                _last_ms += 1
                _counter = 0
        stamp, counter = _last_ms, _counter
    tail = random & ((1 << 62) - 1)
    return UUID(int=(stamp << 80) | (0x7 << 76) | (counter << 64) | (0b10 << 62) | tail)


def id_after(seconds: float) -> UUID:
    """An id greater than all that are made within so many seconds from now."""
    return UUID(int=time.time_ns() // 1_000_000 + int(seconds * 1000) + 1 << 80)


def first_id_at(moment: datetime) -> UUID:
    """The smallest id of a moment: ids before it are smaller. The time of an id is of the process that made it."""
    milliseconds = int(moment.timestamp() * 1000)
    return UUID(int=min(max(milliseconds, 0), (1 << 48) - 1) << 80)


def time_of_id(id_: UUID) -> datetime:
    """When an id was made, by the clock of the process that made it."""
    return datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)
